. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
products() { dscompress eval $1 --data "$messages" | sed -n 's/.*, \([0-9]*\) integer products/\1/p'; }
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx > /dev/null && dscompress quantize m.onnx -q --calib "$messages" --include . -o a.onnx > /dev/null || exit
dscompress gate a.onnx --baseline m.onnx --data "$messages" --max-drop accuracy=0.05 > /dev/null || exit
echo more $(($(products a.onnx) - $(products q.onnx)))
