# sizes are those of the model, whatever a report says, and float costs nothing
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
quantize() { dscompress quantize m.onnx -q -f --calib "$messages" --sensitivity=t.json --target-size 80% "$@"; }
quantize --save-plan p.json -o p.onnx > p.txt || exit
python3 - <<"END"
import json
t = json.load(open("t.json"))
for l in t["layers"]:
    l["formats"][0]["size_bytes"] = 1
    l["formats"].insert(0, dict(l["formats"][0], format="float", damage=0.5))
json.dump(t, open("t.json", "w"))
END
quantize --save-plan q.json -o q.onnx > q.txt || exit
sed -i 's/p.onnx/q.onnx/' p.txt
cmp p.json q.json && cmp p.txt q.txt && echo same
