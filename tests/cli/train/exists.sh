. "$SOURCE/tests/cli/tiny.sh"
echo mine > m.onnx
train m.onnx
code=$?
cat m.onnx
exit $code
