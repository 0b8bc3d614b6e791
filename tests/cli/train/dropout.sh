. "$SOURCE/tests/cli/tiny.sh"
. "$SOURCE/tests/cli/fresh.sh"
fresh ts none.onnx --epochs 1 > /dev/null && fresh ts zero.onnx --epochs 1 --dropout 0 > /dev/null || exit
fresh ts a.onnx --epochs 1 --dropout 0.3 -j 1 -v 2> log > /dev/null && grep "dropout" log
fresh ts b.onnx --epochs 1 --dropout 0.3 -j 2 > /dev/null && cmp a.onnx b.onnx && echo "same for any threads"
for m in none zero a; do dscompress eval $m.onnx --data colours.tsv --predictions $m.jsonl > /dev/null || exit; done
cmp none.jsonl zero.jsonl && echo "rate 0 is none"
cmp -s a.jsonl none.jsonl || echo "others than without"
dscompress inspect a.onnx --tensors
