. "$SOURCE/tests/cli/tiny.sh"
dscompress quantize nothing.onnx --calib "$messages" -o q.onnx
