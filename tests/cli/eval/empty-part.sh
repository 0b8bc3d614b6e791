. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null
dscompress eval m.onnx --data "$messages" --split 100/0/0 --part test
