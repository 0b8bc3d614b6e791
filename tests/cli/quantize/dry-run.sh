. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" -n -o q.onnx > /dev/null
code=$?
ls q.onnx 2> /dev/null
exit $code
