# layers in two factors: by the weights alone, by what rows show, with training; a table by its name
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit
prune() { dscompress prune m.onnx --pattern lowrank "$@" -q; }
prune --sparsity 0.4 -o w.onnx | sed 's/[0-9.]* MB/N MB/' || exit
dscompress inspect w.onnx | grep -E '^(Gemm|MatMul|Gather) '
prune --sparsity 0.4 --data "$messages" --split 70/10/20 --part train --calib-rows 20 -j 1 --json=d.json -o d.onnx > /dev/null || exit
prune --sparsity 0.4 --data "$messages" --split 70/10/20 --part train --calib-rows 20 -j 3 -o again.onnx > /dev/null || exit
cmp d.onnx again.onnx && echo "same bytes"
prune --rank 8 --train "$messages" --split 70/10/20 --epochs 1 --max-length 32 --calib-rows 20 --include word_embeddings --include 'layer.0.*dense' --json=t.json -o t.onnx > /dev/null || exit
python3 -c '
import json
d, t = json.load(open("d.json")), json.load(open("t.json"))
done = [x for x in d["tensors"] if not x["why"]]
print(len(done), d["calib_rows"], d["params_before"] > d["params_after"], round(d["sparsity"], 2),
      all(0.8 < x["kept"] <= 1 for x in done))
for x in t["tensors"]:
    if not x["why"]:
        print(x["name"], x["inputs"], x["outputs"], x["rank"])'
dscompress quantize d.onnx --calib "$messages" --split 70/10/20 -q -o q.onnx > /dev/null 2>&1 && echo "quantize ran"
dscompress prune d.onnx --pattern ffn --sparsity 0.5 -q -o f.onnx > /dev/null && echo "ffn ran"
try() { dscompress prune m.onnx --pattern lowrank "$@" -q -o no.onnx 2>&1 | head -n 1; }
try
try --rank 8 --sparsity 0.5
try --rank 1000
try --sparsity 0.99
try --rank 8 --scope global
try --rank 8 --calib-rows 8
try --rank 8 --include nowhere
ls no.onnx 2> /dev/null
true
