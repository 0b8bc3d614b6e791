. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null
dscompress eval m.onnx --data "$messages" --metric f2
