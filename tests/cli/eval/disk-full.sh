. "$SOURCE/tests/cli/tiny.sh"
[ -e /dev/full ] || { echo "no /dev/full"; exit 77; }
train m.onnx > /dev/null
dscompress eval m.onnx --data "$messages" --json > /dev/full
