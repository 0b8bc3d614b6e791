. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
for j in 1 2; do dscompress calibrate m.onnx -q -j $j --data "$messages" -o $j.ranges > /dev/null || exit; done
cmp 1.ranges 2.ranges
