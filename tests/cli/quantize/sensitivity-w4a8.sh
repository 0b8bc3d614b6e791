# layers in 8 or 4 bits: what the table says of a layer in w4a8 is what a model with that layer alone
# in w4a8 does; a size that 8 bits do not reach; plans
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
head -n 61 "$messages" > calib.tsv # 60 rows, then 60 others
(head -n 1 "$messages"; sed -n '200,259p' "$messages") > eval.tsv
quantize() {
    dscompress quantize m.onnx -q --calib calib.tsv --smooth 0 --bias-correction off --rounding nearest "$@" > out.txt || exit 99
}
quantize --scheme w4a8 --eval eval.tsv --sensitivity=t.json
layer=encoder.layer.1.output.dense
quantize --scheme w4a8 --include "^$layer\$" -o alone.onnx
dscompress diagnose m.onnx alone.onnx -q --data eval.tsv --json=d.json > /dev/null || exit 99
quantize -o w8.onnx
size=$(($(stat -c %s w8.onnx) - 6000))
quantize --scheme w4a8 --eval eval.tsv --sensitivity=t.json --target-size $size --save-plan p.json -o mixed.onnx --json=r.json
grep -o 'stay float, [0-9]* are w4a8' out.txt | sed 's/[1-9][0-9]*/N/'
python3 - $layer $size <<"END"
import json, os, sys
d = json.load(open("d.json"))
t = {f["format"]: f for f in next(l for l in json.load(open("t.json"))["layers"] if l["name"] == sys.argv[1])["formats"]}
w8, w4 = t["w8a8"], t["w4a8"]
print("flips", w4["flips"] == d["flips"], "logits", abs(w4["logit_rmse"] / d["logit_rmse"] - 1) < 0.01, # the file's bias has codes, too
     
      "worse and smaller", w4["sqnr_db"] < w8["sqnr_db"] - 10, w4["size_bytes"] < w8["size_bytes"],
      all(len(l["formats"]) == 2 for l in json.load(open("t.json"))["layers"]))
formats = [l["format"] for l in json.load(open("p.json"))["layers"]]
print(sorted(set(formats)), os.path.getsize("mixed.onnx") <= int(sys.argv[2]))
END
quantize --plan p.json -o planned.onnx
dscompress inspect --diff mixed.onnx planned.onnx > /dev/null 2> diff.txt
grep -o '[0-9]* of [0-9]* and [0-9]* tensors, [0-9]* operators' diff.txt | sed 's/ of.*tensors//' 
dscompress quantize m.onnx -q --calib calib.tsv --eval eval.tsv --target-size $size -o x.onnx
echo $?
python3 - <<"END"
import json
p = json.load(open("p.json"))
p["layers"] = [l for l in p["layers"] if l["format"] == "w4a8"]
json.dump(p, open("p.json", "w"))
END
dscompress quantize m.onnx -q --calib calib.tsv --plan p.json --target tensorrt -o x.onnx
echo $?
test ! -e x.onnx
