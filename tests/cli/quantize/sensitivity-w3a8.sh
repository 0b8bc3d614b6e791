# layers and tables in 8, 4 or 3 bits, rounded by GPTQ: what the table says of one alone is what a file with that one
# alone does, and what is chosen is written as it was tried; a plan gives the same file
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
head -n 61 "$messages" > calib.tsv # 60 rows, then 60 others
(head -n 1 "$messages"; sed -n '200,259p' "$messages") > eval.tsv
quantize() { dscompress quantize m.onnx -q --calib calib.tsv "$@" > out.txt || exit 99; }
quantize --scheme w3a8 --embeddings w3 -o w3.onnx
size=$(($(stat -c %s w3.onnx) + 9000)) # room for what is not exact
while read -r scheme layer; do
    dscompress quantize m.onnx -q --calib calib.tsv --scheme $scheme --include "^$layer\$" -o $scheme.onnx $tables > /dev/null || exit 99
    dscompress diagnose m.onnx $scheme.onnx -q --data eval.tsv --json=$scheme.json > /dev/null || exit 99
    tables="--embeddings w3"
done << END
w4a8 encoder.layer.1.output.dense
w3a8 embeddings.word_embeddings
END
quantize --scheme w3a8 --eval eval.tsv --sensitivity=t.json --target-size $size --max-drop log-loss=9 --save-plan p.json -o mixed.onnx --json=r.json
grep -o 'stay float, [0-9]* are w4a8, [0-9]* are w3a8' out.txt | sed 's/[1-9][0-9]* are/N are/g'
python3 - $size <<"END"
import json, os, sys
table = {l["name"]: {f["format"]: f for f in l["formats"]} for l in json.load(open("t.json"))["layers"]}
for scheme, layer in (("w4a8", "encoder.layer.1.output.dense"), ("w3a8", "embeddings.word_embeddings")):
    d, t = json.load(open(scheme + ".json")), table[layer][scheme]
    print(layer, t["flips"] == d["flips"], abs(t["logit_rmse"] / d["logit_rmse"] - 1) < 0.02)
formats = [l["format"] for l in json.load(open("p.json"))["layers"]]
size, estimate = os.path.getsize("mixed.onnx"), json.load(open("r.json"))["plan"]["estimated_bytes"]
print(sorted(set(formats)), size <= int(sys.argv[1]), size <= estimate)
plan = json.load(open("p.json"))
for l in plan["layers"]:
    l["format"] = "w3a8"
json.dump(plan, open("all.json", "w"))
END
same() {
    dscompress inspect --diff "$1" "$2" > /dev/null 2> diff.txt
    grep -o '[0-9]* of [0-9]* and [0-9]* tensors, [0-9]* operators' diff.txt | sed 's/ of.*tensors//'
}
quantize --plan p.json -o planned.onnx
same mixed.onnx planned.onnx
quantize --plan all.json -o all.onnx
same w3.onnx all.onnx
dscompress quantize m.onnx -q --calib calib.tsv --scheme w3a8 --target-size 30% -o no.onnx > /dev/null
echo $?
