. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
for j in 1 2; do dscompress quantize m.onnx -q -j $j --calib "$messages" -o $j.onnx > /dev/null || exit; done
dscompress quantize m.onnx -q --calib "$messages" -o again.onnx > /dev/null && cmp 1.onnx 2.onnx && cmp 1.onnx again.onnx
