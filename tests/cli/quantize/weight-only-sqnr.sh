# The ratios of the report are those that diagnose finds by running both models: of gptq and awq on
# all rows, without padding, for the weights as they are in the file. Each method earns its name.
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
quantize() {
    name=$1
    shift
    dscompress quantize m.onnx --method weight-only --scheme w4 --granularity group:32 -q \
        -o "$name.onnx" --json="$name.json" "$@" > /dev/null || exit 99
    dscompress diagnose m.onnx "$name.onnx" -q --data "$messages" --json="$name.d" > /dev/null || exit 99
}
quantize blind
for name in nearest gptq awq; do
    quantize $name --calib "$messages" --rounding $name
done
quantize ort --calib "$messages" --target ort
python3 - <<"END"
import json
def reported(name):
    return {t["name"].rsplit(".", 1)[0]: t["sqnr_db"] for t in json.load(open(name + ".json"))["tensors"]
            if t["dtype_out"] == "u4"}
def measured(name):
    return {l["name"]: l["own_sqnr_db"] for l in json.load(open(name + ".d"))["layers"] if l["is_quantized"]}
for name in ("nearest", "gptq", "awq", "ort"):
    r, m = reported(name), measured(name)
    print(name, len(r), "as measured:", all(abs(v - m[k]) < 0.25 for k, v in r.items()))
nearest, gptq, awq, blind = measured("nearest"), reported("gptq"), reported("awq"), measured("blind")
print("gptq over nearest", all(v > nearest[k] + 2.5 for k, v in gptq.items()))
print("awq over nearest", all(v > nearest[k] for k, v in awq.items()))
print("data over none", sum(nearest.values()) > sum(blind.values()) + 0.1 * len(nearest))
print("one file for all", measured("gptq").keys() == measured("ort").keys(),
      all(abs(v - measured("ort")[k]) < 1e-3 for k, v in measured("gptq").items()))
END
