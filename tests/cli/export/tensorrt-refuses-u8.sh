. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --target tensorrt -o t.onnx > /dev/null || exit 99
dscompress export t.onnx -q --target tensorrt -o ok.onnx > /dev/null || exit 99
dscompress export q.onnx --target tensorrt -o trt.onnx
code=$?
[ -e trt.onnx ] && echo "an output was left behind"
exit $code
