# --equalize on scales channels between paired layers, by every method, and is refused without pairs
. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/classes.onnx
data=$mlp/classes.npz
for how in "--calib $data" "--method dynamic" "--method weight-only --scheme w4"; do
    for e in off on; do
        dscompress quantize "$m" -q $how --equalize $e -o $e.onnx --json=$e.json > /dev/null || exit
        dscompress eval $e.onnx --data "$data" --metric accuracy --json=$e-eval.json > /dev/null || exit
    done
    python3 - <<"END"
import json
o = {e: json.load(open(e + ".json")) for e in ("off", "on")}
a = {e: json.load(open(e + "-eval.json"))["metrics"]["accuracy"]["value"] for e in ("off", "on")}
print(o["off"].get("equalized"), o["on"]["equalized"], abs(a["on"] - a["off"]) < 0.02)
END
    cmp -s off.onnx on.onnx || echo other bytes
    rm -f off.onnx on.onnx
done
dscompress quantize "$MODELS/hf/bert/cls" -q --method dynamic --equalize on -o x.onnx
echo $?
dscompress calibrate "$m" -q --data "$data" -o x.ranges > /dev/null || exit
dscompress quantize "$m" -q --ranges x.ranges --equalize on -o x.onnx
echo $?
