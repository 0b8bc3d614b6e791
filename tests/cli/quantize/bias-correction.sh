# Over the calibration rows, a corrected layer's outputs have the float layer's mean; the last layer
# alone is quantized here, so that these are the logits and its inputs are the float model's.
. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/classes.onnx
for how in off on; do
    dscompress quantize "$m" -q --calib "$mlp/classes.npz" --include '^out' --observer percentile:90 \
        --smooth 0.95 --bias-correction $how -o $how.onnx --json=$how.json > /dev/null || exit
done
dscompress quantize "$m" -q --calib "$mlp/classes.npz" --include '^out' --observer percentile:90 --smooth 0 \
    --granularity tensor --bias-correction on -o tensor.onnx > /dev/null || exit
python3 - "$mlp/classes.npz" <<"END"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as all, zipfile.ZipFile("in.npz", "w") as inputs:
    for name in ("x.npy", "kind.npy"):
        inputs.writestr(name, all.read(name))
END
for x in "$m" off.onnx on.onnx tensor.onnx; do
    dscompress run "$x" -q --inputs in.npz -o "$(basename "$x").npz" > /dev/null || exit
done
python3 - <<"END"
import json, struct, zipfile
def logits(name):
    data = zipfile.ZipFile(name).read("logits.npy")
    at = 10 + struct.unpack("<H", data[8:10])[0]
    v = struct.unpack(f"<{(len(data) - at) // 4}f", data[at:])
    return [v[i:i + 3] for i in range(0, len(v), 3)]
def mean(a, b):
    return max(abs(sum(x[k] - y[k] for x, y in zip(a, b)) / len(a)) for k in range(len(a[0])))
f, off, on, tensor = (logits(x + ".onnx.npz") for x in ("classes", "off", "on", "tensor"))
print("off", mean(off, f) > 0.01, "on", mean(on, f) < 1e-4, mean(tensor, f) < 1e-4)
print(json.load(open("on.json"))["biases_corrected"], "biases_corrected" in json.load(open("off.json")))
END
echo "-- without rows"
dscompress calibrate "$m" -q --data "$mlp/classes.npz" -o c.ranges > /dev/null || exit
dscompress quantize "$m" -q --ranges c.ranges --bias-correction on -o r.onnx
echo $?
dscompress quantize "$m" -q --ranges c.ranges --calib "$mlp/classes.npz" --bias-correction on -o r.onnx > /dev/null
echo $?
dscompress quantize "$m" -q --method dynamic --bias-correction on -o d.onnx
echo $?
