. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx --method weight-only --scheme w8a8 -q -o q.onnx
