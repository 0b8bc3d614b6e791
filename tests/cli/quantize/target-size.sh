. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
quantize() { dscompress quantize m.onnx -q --calib "$messages" "$@"; }
quantize --sensitivity=t.json --target-size 80% --save-plan p.json -o q.onnx --json=r.json > /dev/null || exit
python3 - <<"END"
import json, os
d, p = json.load(open("r.json")), json.load(open("p.json"))
f = [x["format"] for x in p["layers"]]
print(p["schema"], "float" in f, "w8a8" in f, os.path.getsize("q.onnx") <= 0.8 * os.path.getsize("m.onnx"),
      d["plan"]["layers"] == p["layers"], d["size_bytes"] <= d["plan"]["estimated_bytes"])
END
quantize --plan p.json -o r.onnx > /dev/null || exit
dscompress inspect --diff q.onnx r.onnx | grep -i "initializer\|tensor" | head -n 3
dscompress diagnose m.onnx r.onnx -q --data "$messages" | grep -o '^[0-9]* quantized'
quantize --sensitivity=t.json --target-size 10% -o s.onnx > /dev/null
code=$?
ls s.onnx 2> /dev/null
exit $code
