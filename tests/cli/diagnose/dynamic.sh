. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --method dynamic -o q.onnx > /dev/null || exit 99
dscompress diagnose m.onnx q.onnx -q --data "$messages" | sed -n 's/^\([0-9]*\) quantized layers of .*/\1/p'
