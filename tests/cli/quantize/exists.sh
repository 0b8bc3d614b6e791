. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
echo mine > q.onnx
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx
code=$?
cat q.onnx
exit $code
