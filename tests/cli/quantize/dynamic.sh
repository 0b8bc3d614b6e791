. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --method dynamic -o q.onnx > /dev/null && dscompress gate q.onnx --baseline m.onnx --data "$messages" --max-drop accuracy=0.05 > /dev/null || exit
dscompress eval q.onnx --data "$messages" | tail -n 1
