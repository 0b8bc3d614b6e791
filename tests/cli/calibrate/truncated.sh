. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress calibrate m.onnx -q --data "$messages" -o r.ranges > /dev/null
head -c 5000 r.ranges > cut.ranges
dscompress calibrate --merge cut.ranges r.ranges -o s.ranges
