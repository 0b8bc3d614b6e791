# a bar that all clear takes the smallest model in one trial; --retain is a bar, too; layers that a
# plan does not name stay float
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
quantize() { dscompress quantize m.onnx -q --calib "$messages" "$@"; }
report() {
    python3 - "$1" <<"END"
import json, sys
d = json.load(open("r.json"))
p, t = d["plan"], {l["name"]: l["formats"][0]["size_bytes"] for l in json.load(open("t.json"))["layers"]}
print(sys.argv[1], "trials", p["trials"], "of", len(t), "layers", sum(l["format"] == "w8a8" for l in p["layers"]))
END
}
quantize --sensitivity=t.json --max-drop log-loss=100 -f -o q.onnx --json=r.json --save-plan p.json > /dev/null || exit
report max-drop
dscompress diagnose m.onnx q.onnx -q --data "$messages" --limit 8 | grep -o '^[0-9]* quantized'
quantize --sensitivity=t.json --retain accuracy=50% -f -o q.onnx --json=r.json > /dev/null || exit
report retain
quantize --sensitivity=t.json --retain accuracy=200% -f -o s.onnx > /dev/null
echo $?
python3 - <<"END"
import json
p = json.load(open("p.json"))
p["layers"] = [l for l in p["layers"] if l["format"] == "w8a8"][:3]
json.dump(p, open("p.json", "w"))
END
quantize --plan p.json -f -o q.onnx > /dev/null || exit
dscompress diagnose m.onnx q.onnx -q --data "$messages" --limit 8 | grep -o '^[0-9]* quantized'
dscompress quantize m.onnx --calib "$messages" --plan p.json -f -o q.onnx 2>&1 > /dev/null | grep -o 'warning: .* layers are not in the plan.*'
