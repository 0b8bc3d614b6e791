. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress calibrate m.onnx -q --data "$messages" -o r.ranges --json=r.json > /dev/null && dscompress quantize m.onnx -q --calib "$messages" --ranges r.ranges -o q.onnx > /dev/null || exit
python3 - <<"END"
import json
d = json.load(open("r.json"))
print(d["schema"], len(d["tensors"]) > 5, all(t["low"] <= t["high"] for t in d["tensors"]))
END
