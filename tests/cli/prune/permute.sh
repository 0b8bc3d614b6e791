# N:M with input channels in another order: more magnitude stays, and what is not masked computes the same
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit
dscompress prune m.onnx --pattern 2:4 --permute -q -j 1 --json=p.json -o p.onnx | head -n 1
dscompress prune m.onnx --pattern 2:4 --permute -q -j 3 -o again.onnx > /dev/null && cmp p.onnx again.onnx && echo "same bytes"
python3 -c '
import json
for o in json.load(open("p.json"))["channel_orders"]:
    if not o["why"]:
        print(o["name"], o["kept"] > o["kept_before"])'
dscompress prune m.onnx --pattern 2:4 --permute -o s.onnx 2>&1 | grep "stay in"
dscompress train p.onnx --train "$messages" --split 70/10/20 --epochs 1 --max-length 32 -q -o t.onnx > /dev/null && echo "train ran"
try() { dscompress prune m.onnx "$@" -q -o no.onnx 2>&1 > /dev/null | head -n 1; }
try --pattern unstructured --sparsity 0.5 --permute
try --pattern 2:4 --permute --importance movement --train "$messages" --split 70/10/20
try --pattern 1:3 --include query --permute
ls no.onnx 2> /dev/null
true
