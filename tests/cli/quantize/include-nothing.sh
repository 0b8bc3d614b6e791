. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --include no-such-node -o q.onnx
code=$?
ls q.onnx 2> /dev/null
exit $code
