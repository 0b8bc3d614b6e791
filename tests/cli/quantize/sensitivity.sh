. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --sensitivity=t.json --json=r.json > out || exit
dscompress quantize m.onnx --calib "$messages" --sensitivity=t.json --json=s.json > again 2> err || exit
cmp out again
grep -o '[0-9]* of [0-9]* layers were measured before' err | sed 's/\([0-9]*\) of \1 .*/all measured before/'
python3 - <<"END"
import json
d, t = json.load(open("r.json"))["sensitivity"], json.load(open("t.json"))
keys = {"format", "size_bytes", "sqnr_db", "damage", "flips", "logit_rmse"}
print(t["schema"], d["layers"] == t["layers"] == json.load(open("s.json"))["sensitivity"]["layers"], len(t["layers"]) > 5,
      all(set(f) == keys and f["format"] == "w8a8" and f["sqnr_db"] > 15 and f["damage"] >= 0
          for x in t["layers"] for f in x["formats"]))
t["layers"] = t["layers"][:4]
json.dump(t, open("t.json", "w"))
END
dscompress quantize m.onnx --calib "$messages" --sensitivity=t.json > again 2> err || exit
cmp out again
grep -c '4 of [0-9]* layers were measured before' err
dscompress quantize m.onnx -q --calib "$messages" --smooth 0 --sensitivity=t.json
