. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null
dscompress eval m.onnx --data nothing.tsv
