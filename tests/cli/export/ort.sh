. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx > /dev/null || exit
dscompress export q.onnx --target ort --verify "$messages" -o ort.onnx || exit
dscompress inspect ort.onnx --json | grep -c '"Dropout"'
dscompress inspect m.onnx --json | grep -c '"Dropout"'
