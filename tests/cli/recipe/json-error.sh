. "$SOURCE/tests/cli/mlp.sh"
echo 'lrr: 1' > r.yaml
dscompress train m.onnx --train t -o y --recipe r.yaml --json
