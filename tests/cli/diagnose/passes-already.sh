. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx > /dev/null || exit 99
dscompress diagnose m.onnx q.onnx -q --data "$messages" --find-excludes --max-drop accuracy=0.5 | tail -n 1
