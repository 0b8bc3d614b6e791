. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --method dynamic -o q.onnx > /dev/null || exit 99
dscompress train q.onnx -q --train "$messages" --epochs 1 -o more.onnx
