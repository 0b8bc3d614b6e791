. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null
echo mine > p.jsonl
dscompress eval m.onnx --data "$messages" --predictions p.jsonl > /dev/null
code=$?
cat p.jsonl
exit $code
