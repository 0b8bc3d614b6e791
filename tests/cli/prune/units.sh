# neurons and heads go; the smaller model is trained, quantized and run as any other
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit
dscompress prune m.onnx --pattern ffn --sparsity 0.5 -o f.onnx | sed 's/[0-9.]* MB/N MB/' || exit
dscompress prune f.onnx --pattern heads --sparsity 0.25 -q --json -o h.onnx > h.json || exit
python3 -c '
import json
r = json.load(open("h.json"))
print(r["sparsity"], r["params_before"] - r["params_after"], r["size_bytes"] < r["size_bytes_before"])
for g in r["groups"]:
    print(g["name"], g["units"], g["removed"], len(g["removed_units"]), g["why"])
    for t in g["tensors"]:
        print(" ", t["name"], t["axis"], t["size_before"], t["size"], t["is_summed"])'
dscompress prune f.onnx --pattern heads --sparsity 0.25 -q -j 1 -o again.onnx > /dev/null && cmp h.onnx again.onnx && echo "same bytes"
dscompress train h.onnx --train "$messages" --split 70/10/20 --epochs 1 --max-length 32 -q -o t.onnx > /dev/null || exit
dscompress quantize t.onnx --calib "$messages" --split 70/10/20 -q -o q.onnx > /dev/null || exit
dscompress gate q.onnx --baseline t.onnx --data "$messages" --split 70/10/20 --part test --max-drop f1=0.2 > /dev/null && echo "gate passed"
dscompress bench h.onnx --batch 1 --length 8 > /dev/null && echo "bench ran"
dscompress export t.onnx --target ort -q -o o.onnx > /dev/null && echo "export ran"
dscompress export h.onnx -q -o folder/ 2>&1 | head -n 1
