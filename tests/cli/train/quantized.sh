. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx > /dev/null || exit 99
dscompress train q.onnx -q --train "$messages" --epochs 1 --lr 1e-30 --weight-decay 0 -o same.onnx > /dev/null || exit
dscompress train q.onnx -q --train "$messages" --epochs 1 --lr 1e-3 -o more.onnx > /dev/null || exit
for m in q same more; do dscompress eval $m.onnx -q --data "$messages" --predictions $m.jsonl > /dev/null || exit; done
cmp q.jsonl same.jsonl && echo same codes
cmp -s q.jsonl more.jsonl || echo others
dscompress eval more.onnx --data "$messages" | tail -n 1
