# biases are corrected by the codes that each layer has: with layers of 8 and of 4 bits side by side, the logits
# stay as near as without correction or nearer
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
q() { dscompress quantize m.onnx -q --scheme w4a8 --calib "$messages" --rounding nearest "$@" > /dev/null || exit 99; }
dscompress quantize m.onnx -q --calib "$messages" --rounding nearest -o w8.onnx > /dev/null || exit 99
size=$(($(stat -c %s w8.onnx) - 6000))
q --target-size $size --save-plan p.json -o chosen.onnx
for b in off on; do
    dscompress quantize m.onnx -q --calib "$messages" --rounding nearest --plan p.json --bias-correction $b -o $b.onnx > /dev/null || exit 99
    q --target-size $size --bias-correction $b -f -o mixed-$b.onnx
    for f in $b mixed-$b; do
        dscompress diagnose m.onnx $f.onnx -q --data "$messages" --json=$f.json > /dev/null || exit 99
    done
done
python3 - <<"END"
import json
e = {f: json.load(open(f + ".json"))["logit_rmse"] for f in ("on", "off", "mixed-on", "mixed-off")}
print(sorted({l["format"] for l in json.load(open("p.json"))["layers"]}))
print(e["on"] < 1.5 * e["off"], e["mixed-on"] < 1.5 * e["mixed-off"])
END
