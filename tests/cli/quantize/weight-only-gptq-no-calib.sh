. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx --method weight-only --scheme w4 --rounding gptq -q -o q.onnx
