# scales with a rate of their own, averages of weights: other bytes, and refused where there is nothing to use them on
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
qat="dscompress quantize m.onnx -q --method qat --epochs 2 --train $messages"
$qat -o plain.onnx > /dev/null || exit
$qat --scale-lr 1e-5 -o same.onnx > /dev/null || exit
$qat --scale-lr 1e-3 -o scales.onnx > /dev/null || exit
$qat --ema 0.9 -o ema.onnx > /dev/null || exit
dscompress inspect --tensors --stats --json=p.json plain.onnx > /dev/null
for f in same scales ema; do
    dscompress inspect --tensors --stats --json=$f.json $f.onnx > /dev/null
    python3 - $f <<"END"
import json, sys
def load(f):
    return {t["name"]: t for t in json.load(open(f))["tensors"]}
a, b = load("p.json"), load(sys.argv[1] + ".json")
moved = [abs(b[k]["mean"] / a[k]["mean"] - 1) for k in a if k.endswith("_scale") and a[k]["mean"]]
print(sys.argv[1], "the same scales" if max(moved) == 0 else "other scales", len(a) == len(b))
END
done
dscompress train m.onnx --train "$messages" --scale-lr 1e-3 -q -o t.onnx
