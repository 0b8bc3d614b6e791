. "$SOURCE/tests/cli/tiny.sh"
train m.onnx --freeze .
