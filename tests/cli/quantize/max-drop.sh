. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
quantize() { dscompress quantize m.onnx -q --calib "$messages" --eval "$messages" --smooth 0 --granularity tensor --observer percentile:90 --sensitivity=t.json "$@"; }
quantize --max-drop log-loss=0.001 -o q.onnx --json=r.json > /dev/null || exit
python3 - <<"END"
import json
p = json.load(open("r.json"))["plan"]
f = [x["format"] for x in p["layers"]]
print("float" in f, "w8a8" in f, 1 < p["trials"] < 12)
END
dscompress gate q.onnx --baseline m.onnx --data "$messages" --max-drop log-loss=0.0011 > /dev/null && echo clears
quantize --max-drop log-loss=0.001 --target-size 90kB -o s.onnx > /dev/null
code=$?
ls s.onnx 2> /dev/null
exit $code
