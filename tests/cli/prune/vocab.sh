# tokens that the data do not use go, from the table and from the tokenizer
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit
printf 'text\tlabel\nfree prize\tspam\nat home later\tham\n' > a.tsv
dscompress prune m.onnx --pattern vocab --data a.tsv -o v.onnx | sed 's/[0-9.]* MB/N MB/' || exit
dscompress prune m.onnx --pattern vocab --data a.tsv -q --json -j 1 -o again.onnx > v.json && cmp v.onnx again.onnx && echo "same bytes"
python3 -c '
import json
r = json.load(open("v.json"))
print(r["tokens_before"], r["tokens_after"], r["rows"], r["rows_changed"], r["tensors"],
      r["params_before"] - r["params_after"], round(r["sparsity"], 4))'
for m in m v; do
    dscompress eval $m.onnx --data a.tsv --metric accuracy --predictions $m.jsonl -q > /dev/null || exit
    dscompress tokenize $m.onnx --data a.tsv -q | sed 's/.*"tokens"/"tokens"/'
done
cmp m.jsonl v.jsonl && echo "same predictions"
echo "unseen words: quay!" | dscompress tokenize v.onnx -q | sed 's/.*"tokens"/"tokens"/'
dscompress train v.onnx --train "$messages" --split 70/10/20 --epochs 1 --max-length 32 -q -o t.onnx > /dev/null &&
    dscompress quantize t.onnx --calib a.tsv -q -o q.onnx > /dev/null 2>&1 && echo "train and quantize ran"
# the most used ones alone: of 6 tokens that two rows use, the two that more rows use
printf 'text\tlabel\nfree prize\tspam\nat home later\tham\nfree home\tham\n' > b.tsv
for n in 60 61; do
    dscompress prune m.onnx --pattern vocab --data b.tsv --keep-tokens $n -q --json=k.json -o k$n.onnx > /dev/null || exit
    dscompress tokenize k$n.onnx --data b.tsv -q | sed 's/.*"tokens"/"tokens"/'
    python3 -c '
import json
r = json.load(open("k.json"))
print(r["tokens_before"], r["tokens_after"], "of", r["rows"], "rows other", r["rows_changed"])'
done
