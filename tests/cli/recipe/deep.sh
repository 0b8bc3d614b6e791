. "$SOURCE/tests/cli/mlp.sh"
python3 -c "print('exclude: ' + '[' * 100000)" > r.yaml
dscompress quantize m.onnx --recipe r.yaml
