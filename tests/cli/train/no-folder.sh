. "$SOURCE/tests/cli/tiny.sh"
train no-such-folder/m.onnx
