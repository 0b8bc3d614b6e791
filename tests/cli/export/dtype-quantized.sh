. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx > /dev/null || exit 99
dscompress export q.onnx --dtype fp16 -o h.onnx
code=$?
[ -e h.onnx ] && echo "an output was left behind"
exit $code
