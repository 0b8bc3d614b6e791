. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress calibrate m.onnx -q --data "$messages" -o r.ranges > /dev/null
dscompress calibrate --merge r.ranges -o s.ranges
