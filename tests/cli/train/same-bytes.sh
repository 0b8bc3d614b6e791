. "$SOURCE/tests/cli/tiny.sh"
train a.onnx -j 1 > /dev/null && train b.onnx -j 2 > /dev/null && train c.onnx > /dev/null && cmp a.onnx b.onnx && cmp a.onnx c.onnx
