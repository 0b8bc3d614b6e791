. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
echo mine > r.ranges
dscompress calibrate m.onnx --data "$messages" -o r.ranges
code=$?
cat r.ranges
exit $code
