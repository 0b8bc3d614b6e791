. "$SOURCE/tests/cli/tiny.sh"
train a.onnx > /dev/null && train b.onnx --seed 1 > /dev/null || exit
cmp -s a.onnx b.onnx && echo "two seeds, one model"
