. "$SOURCE/tests/cli/tiny.sh"
echo mine > m.onnx
train m.onnx -f > /dev/null && dscompress inspect m.onnx
