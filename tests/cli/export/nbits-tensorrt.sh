. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx --method weight-only --scheme w4 --granularity group:16 --target ort -q -o q.onnx > /dev/null || exit 99
dscompress export q.onnx --target tensorrt -q -o t.onnx
