# what would fail later fails now
. "$SOURCE/tests/cli/tiny.sh"
echo mine > m.onnx
train m.onnx -n
