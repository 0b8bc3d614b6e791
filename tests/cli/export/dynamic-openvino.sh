. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --method dynamic -o q.onnx > /dev/null && dscompress export q.onnx -q --target ort -o o.onnx > /dev/null || exit 99
dscompress export q.onnx -q --target openvino -o v.onnx
