# what is not 0 alone: a smaller file that every verb reads, with the predictions of the dense one
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit
p() { dscompress prune m.onnx --pattern unstructured "$@" -q; }
p --sparsity 0.9 -o d.onnx > /dev/null || exit
p --sparsity 0.9 --sparse-initializers --json=s.json -j 1 -o s.onnx | sed 1,13d | sed 's/[0-9.]* MB/N MB/' || exit
p --sparsity 0.9 --sparse-initializers -j 3 -o again.onnx > /dev/null && cmp s.onnx again.onnx && echo "same bytes"
python3 -c '
import json, os
r = json.load(open("s.json"))
print(r["sparse_initializers"], r["size_bytes"] == os.path.getsize("s.onnx") < os.path.getsize("d.onnx"))'
for m in d s; do
    dscompress eval $m.onnx --data "$messages" --split 70/10/20 --part test --metric accuracy --predictions $m.jsonl -q > /dev/null || exit
done
cmp d.jsonl s.jsonl && echo "same predictions"
dscompress inspect s.onnx --stats --tensors='*layer.0.output.dense.weight' | grep dense | awk '{ print $1, $2 }'
dscompress train s.onnx --train "$messages" --split 70/10/20 --epochs 1 --max-length 32 -q -o t.onnx > /dev/null &&
    dscompress inspect t.onnx | grep sparsity | cut -c 1-40
p --sparsity 0.5 --sparse-initializers -o h.onnx 2>&1 | tail -n 1
try() { dscompress prune m.onnx "$@" 2>&1 > /dev/null | head -n 1; }
dscompress prune m.onnx --pattern 2:4 --sparse-initializers -o w.onnx 2>&1 | grep warning
dscompress prune "$encoder" --pattern unstructured --sparsity 0.9 --sparse-initializers -o folder/ 2>&1 | head -n 1
try --pattern ffn --sparsity 0.5 --sparse-initializers -o no.onnx
ls no.onnx folder 2> /dev/null
true
