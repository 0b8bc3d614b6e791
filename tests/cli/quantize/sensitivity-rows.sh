# without --eval the last fifth of --calib is measured on, and is not observed; its labels, values
# and second texts go with it. The table is shown worst first.
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
python3 - "$messages" <<"END"
import sys
lines = open(sys.argv[1]).read().splitlines()[1:201]
def put(name, rows, head="text\tlabel"): open(name, "w").write("\n".join([head] + rows) + "\n")
put("all.tsv", lines)
put("calib.tsv", lines[:160])
put("eval.tsv", lines[160:])
text = [l.split("\t")[0] for l in lines]
pairs = [f"{a}\t{b}\t{(7 * len(a) + 3 * len(b)) % 50 / 10}" for a, b in zip(text, text[7:] + text[:7])]
put("all2.tsv", pairs, "text\ttext_b\tlabel")
put("calib2.tsv", pairs[:160], "text\ttext_b\tlabel")
put("eval2.tsv", pairs[160:], "text\ttext_b\tlabel")
END
dscompress train "$encoder" --train all2.tsv --epochs 1 --max-length 32 -q -o m2.onnx > /dev/null || exit 99
coarse="--smooth 0 --bias-correction off --granularity tensor --observer percentile:55"
for task in "" 2; do
    bar="--max-drop log-loss=0.000001"
    [ "$task" ] && bar="--retain pearson=200%"
    # a bar that nothing within the size clears: the error tells by how much
    dscompress quantize m$task.onnx -q --calib all$task.tsv $coarse --sensitivity=a.json --target-size 90% \
        $bar -o q.onnx > a.txt 2> a.err
    echo $?
    dscompress quantize m$task.onnx -q --calib calib$task.tsv --eval eval$task.tsv $coarse --sensitivity=b.json \
        --target-size 90% $bar -o q.onnx > b.txt 2> b.err
    echo $?
    cmp a.txt b.txt && cmp a.err b.err && grep -o 'has [a-z-]* [a-z-]* ' a.err
    python3 - <<"END"
import json
a, b = (json.load(open(f))["layers"] for f in ("a.json", "b.json"))
shown = [l.split()[0] for l in open("a.txt").read().splitlines()[1:-1]]
worst = sorted(a, key=lambda l: -l["formats"][0]["damage"])
print("same rows", a == b, "worst first", shown == [l["name"] for l in worst[:len(shown)]])
END
    rm a.json b.json
done
dscompress eval m2.onnx --data eval2.tsv -q --predictions m.jsonl > /dev/null || exit 99
dscompress quantize m2.onnx -q --calib calib2.tsv $coarse --include '^encoder.layer.0.output.dense$' -o one.onnx > /dev/null || exit 99
dscompress eval one.onnx --data eval2.tsv -q --predictions q.jsonl > /dev/null || exit 99
dscompress diagnose m2.onnx one.onnx -q --data eval2.tsv --json=d.json > /dev/null || exit 99
dscompress quantize m2.onnx -q --calib calib2.tsv --eval eval2.tsv $coarse --sensitivity=t.json > /dev/null || exit 99
python3 - <<"END"
import json, math
def values(f): return [json.loads(l)["prediction"] for l in open(f)]
e = [a - b for a, b in zip(values("q.jsonl"), values("m.jsonl"))]
square = sum(x * x for x in e) / len(e)
d = json.load(open("d.json"))
t = next(l for l in json.load(open("t.json"))["layers"] if l["name"] == "encoder.layer.0.output.dense")["formats"][0]
def close(a, b): return abs(a - b) <= 0.001 * abs(b)
print("a value's damage is the square", close(t["damage"], square), close(t["logit_rmse"], math.sqrt(square)),
      close(d["logit_rmse"], math.sqrt(square)), close(d["max_logit_difference"], max(map(abs, e))), "flips" not in d)
END
