. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress calibrate m.onnx -q --data "$messages" -o r.ranges > /dev/null || exit 99
dscompress calibrate --merge r.ranges r.ranges -q -o s.ranges > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --ranges r.ranges --observer ema -o q.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --ranges s.ranges --observer ema -o s.onnx
code=$?
[ -e s.onnx ] && echo "an output was left behind"
exit $code
