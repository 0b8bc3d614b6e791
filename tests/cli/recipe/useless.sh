. "$SOURCE/tests/cli/mlp.sh"
printf 'smooth: 0.5\nmethod: dynamic\n' > r.yaml
dscompress quantize "$mlp/classes.onnx" --recipe r.yaml -o q.onnx
