# what the table says of a layer is what a model with that layer alone quantized does, on integers:
# labels, divergence of the probabilities, logits, and the layer's own signal to noise
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
head -n 61 "$messages" > calib.tsv # 60 rows, then 60 others
(head -n 1 "$messages"; sed -n '200,259p' "$messages") > eval.tsv
quantize() {
    dscompress quantize m.onnx -q --calib calib.tsv --smooth 0 --bias-correction off --granularity tensor --observer percentile:55 \
        "$@" > /dev/null || exit 99
}
quantize --eval eval.tsv --sensitivity=t.json
dscompress eval m.onnx --data eval.tsv -q --predictions m.jsonl > /dev/null || exit 99
for layer in classifier encoder.layer.0.attention.self.value encoder.layer.1.output.dense; do
    quantize --include "^$layer\$" -o $layer.onnx
    dscompress eval $layer.onnx --data eval.tsv -q --predictions $layer.jsonl > /dev/null || exit 99
    dscompress diagnose m.onnx $layer.onnx -q --data eval.tsv --json=$layer.d > /dev/null || exit 99
    python3 - $layer <<"END"
import json, math, sys
name = sys.argv[1]
def rows(f): return [json.loads(l) for l in open(f + ".jsonl")]
def kl(p, q): return sum(a * math.log(a / b) for a, b in zip(p, q))
def close(a, b, part): return abs(a - b) <= part * abs(b)
m, q, d = rows("m"), rows(name), json.load(open(name + ".d"))
t = next(l for l in json.load(open("t.json"))["layers"] if l["name"] == name)["formats"][0]
p = [(a["probabilities"], b["probabilities"]) for a, b in zip(m, q)]
forth, back = (sum(kl(*(x if i else x[::-1])) for x in p) / len(p) for i in (1, 0))
flips = sum(a["prediction"] != b["prediction"] for a, b in zip(m, q))
own = [l["own_sqnr_db"] for l in d["layers"] if l["is_quantized"]]
print(name, "flips", t["flips"] == flips == d["flips"] == round((1 - d["labels_kept"]) * d["n"]), flips > 0,
      "damage", close(t["damage"], forth, 0.001), not close(back, forth, 0.01),
      "logits", close(t["logit_rmse"], d["logit_rmse"], 0.001), d["logit_rmse"] < d["max_logit_difference"],
      "own", len(own), abs(t["sqnr_db"] - own[0]) < 0.05)
END
done
