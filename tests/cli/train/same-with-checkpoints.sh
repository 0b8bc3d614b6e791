. "$SOURCE/tests/cli/tiny.sh"
train a.onnx > /dev/null && train b.onnx --grad-checkpoint > /dev/null || exit
for m in a b; do dscompress eval $m.onnx --data "$messages" --predictions $m.jsonl > /dev/null || exit; done
cmp a.jsonl b.jsonl
