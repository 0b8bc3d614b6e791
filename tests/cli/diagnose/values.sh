# flips are those of predictions; the first divergence and the order of the table those of the report;
# padding counts for nothing; two runs, any threads, one report
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --smooth 0 --bias-correction off --granularity tensor --observer percentile:55 -o q.onnx > /dev/null || exit 99
diagnose() {
    name=$1
    shift
    dscompress diagnose m.onnx q.onnx -q --data "$messages" --limit 100 --json="$name.json" "$@" > "$name.txt" || exit 99
}
head -n 101 "$messages" > first.tsv
for f in m q; do
    dscompress eval $f.onnx --data first.tsv -q --predictions $f.jsonl > /dev/null || exit 99
done
diagnose plain -j 1
diagnose threads -j 3
diagnose alone --batch 1
diagnose low --below -100
diagnose high --below 150
diagnose some --below 0.6
cmp plain.txt threads.txt && cmp plain.json threads.json && echo "same bytes"
grep '^no quantized layer is below -100 dB as run$' low.txt
python3 - <<"END"
import json
def rows(f): return [json.loads(l)["prediction"] for l in open(f + ".jsonl")]
def load(f): return json.load(open(f + ".json"))
d, alone = load("plain"), load("alone")
flips = sum(a != b for a, b in zip(rows("m"), rows("q")))
print("flips", d["n"], d["flips"] == flips > 0, d["labels_kept"] == 1 - flips / 100)
q = [l for l in d["layers"] if l["is_quantized"]]
shown = [l.split()[0] for l in open("plain.txt").read().splitlines()[1:17]]
print("worst first", shown == [l["name"] for l in sorted(q, key=lambda l: l["own_sqnr_db"])[:16]])
def first(key, bar): return next(l["name"] for l in q if l[key] < bar)
print("divergence", load("some")["first_divergence"] == first("sqnr_db", 0.6) != first("own_sqnr_db", 0.6),
      load("low")["first_divergence"], load("high")["first_divergence"] == q[0]["name"])
def close(a, b): return abs(a - b) <= 1e-3 * abs(b)
dense = [(a, b) for a, b in zip(d["layers"], alone["layers"]) if a["name"].startswith("encoder") and a["is_quantized"]]
print("padding", len(dense), all(close(a[k], b[k]) for a, b in dense for k in ("own_sqnr_db", "sqnr_db", "max_difference")))
print("own and run", sum(l["own_sqnr_db"] > l["sqnr_db"] + 0.1 for l in q) > 5,
      close(d["layers"][-1]["max_difference"], d["max_logit_difference"]))
END
