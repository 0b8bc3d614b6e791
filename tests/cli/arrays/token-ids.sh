. "$SOURCE/tests/cli/tiny.sh"
. "$SOURCE/tests/cli/mlp.sh"
# a text model reads token ids from an .npz as it reads texts; padding is not observed
train m.onnx > /dev/null || exit
{ head -n 1 "$messages"; head -n 41 "$messages" | tail -n 40; } > t.tsv
dscompress tokenize m.onnx --data t.tsv --max-length 32 > ids.jsonl || exit
python3 - > arrays <<"END"
import csv, json
rows = [json.loads(line)["ids"] for line in open("ids.jsonl")]
lines = [line.rstrip("\n").split("\t") for line in open("t.tsv")]
label = [str(int(line[lines[0].index("label")] == "spam")) for line in lines[1:]]
w = max(len(r) for r in rows)
ids = ",".join(str(v) for r in rows for v in r + [0] * (w - len(r)))
mask = ",".join(str(int(i < len(r))) for r in rows for i in range(w))
for name, values in (("input_ids", ids), ("attention_mask", mask), ("token_type_ids", "0")):
    print(f"{name}=i8:{len(rows)},{w}:{values}")
print(f"label=i8:{len(rows)}:{','.join(label)}")
END
npz t.npz $(cat arrays)
for data in t.tsv t.npz; do
    dscompress eval m.onnx -q --data $data --batch 40 --predictions $data.jsonl > /dev/null || exit
    dscompress calibrate m.onnx -q --data $data --batch 40 -o $data.ranges --json > $data.json || exit
done
python3 - <<"END"
import json
a, b = ([json.loads(line) for line in open(f + ".jsonl")] for f in ("t.tsv", "t.npz"))
far = max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p["probabilities"], q["probabilities"]))
print(len(a), len(b), far < 1e-6, [p["label"] for p in a] == [p["label"] for p in b])
a, b = (json.load(open(f + ".json"))["tensors"] for f in ("t.tsv", "t.npz"))
print(len(a) == len(b) > 0, all(x["values"] == y["values"] for x, y in zip(a, b)))
END
