# --rounding adaround: codes are learned, the same for any number of threads; layers lose less than by the nearest
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
q() { dscompress quantize m.onnx -q -f --calib "$messages" "$@" > /dev/null; }
ada="--rounding adaround --rounding-steps 200"
for how in "--scheme w4a8" "--method weight-only --scheme w4 --granularity group:16"; do
    q $how $ada -j 1 -o one.onnx --json=ada.json || exit
    q $how $ada -j 2 -o two.onnx || exit
    cmp one.onnx two.onnx && echo same bytes
    q $how --rounding nearest -o nearest.onnx --json=nearest.json || exit
    python3 - <<"END"
import json
a, n = ({t["name"]: t["sqnr_db"] for t in json.load(open(f + ".json"))["tensors"]
         if t.get("granularity") in ("channel", "group:16")} for f in ("ada", "nearest"))
print(json.load(open("ada.json"))["rounding"], len(a) > 5, sum(a[k] - n[k] for k in a) / len(a) > 0.2)
END
done
dscompress quantize m.onnx -q --calib "$messages" --rounding gptq --rounding-steps 9 -o x.onnx
echo $?
dscompress quantize m.onnx -q --method weight-only --rounding adaround -o x.onnx
echo $?
