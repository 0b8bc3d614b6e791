. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx > /dev/null || exit 99
dscompress diagnose m.onnx q.onnx -q --data "$messages" --find-excludes --min log-loss=1 > /dev/null 2>&1
echo $?
dscompress diagnose m.onnx q.onnx -q --data "$messages" --find-excludes --min mcc=1 --max-length 3 > /dev/null
