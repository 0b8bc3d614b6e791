. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --observer percentile:99.9 -o q.onnx > /dev/null && dscompress gate q.onnx --baseline m.onnx --data "$messages" --max-drop accuracy=0.05 --json=g.json > /dev/null || exit
python3 - <<"END"
import json
d = json.load(open("g.json"))
c = d["checks"][0]
print(d["schema"], d["pass"], c["name"], c["pass"], c["bar"], c["value"] <= 0.05)
END
