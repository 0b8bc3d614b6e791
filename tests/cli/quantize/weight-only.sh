. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
quantize() {
    dscompress quantize m.onnx --method weight-only --scheme w4 --granularity group:4 -q -f \
        --calib "$messages" --split 70/10/20 "$@" > /dev/null || exit 99
}
quantize -o q.onnx --json=r.json -j 1
quantize -o r.onnx -j 2
cmp q.onnx r.onnx && echo "same bytes"
quantize -o a.onnx --rounding awq
quantize -o w8.onnx --scheme w8 --embeddings w4
for f in m q a w8; do
    dscompress eval $f.onnx --data "$messages" -q --predictions $f.jsonl > /dev/null || exit 99
done
python3 - <<"END"
import json
d = json.load(open("r.json"))
t = d["tensors"]
print(d["schema"], d["rounding"], any(x["dtype_out"] == "u4" and x["granularity"] == "group:4" and x["sqnr_db"] > 10 for x in t),
      any(x["dtype_out"] == "i8" and x["granularity"] == "row" for x in t),
      all(x["why"] for x in t if x["dtype_out"] == "f32"))
def labels(f): return [json.loads(l)["prediction"] for l in open(f + ".jsonl")]
m = labels("m")
agree = [sum(a == b for a, b in zip(m, labels(f))) / len(m) for f in ("q", "a", "w8")]
print("same labels", all(a > 0.95 for a in agree))
END
