. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx --method weight-only --include no_such_layer -q -o q.onnx
