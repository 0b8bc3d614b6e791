. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress diagnose m.onnx m.onnx -q --data "$messages"
