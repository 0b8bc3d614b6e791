. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" -o q.onnx > /dev/null || exit 99
dscompress diagnose m.onnx q.onnx --data "$messages" --json=d.json --limit 40 > /dev/null || exit
python3 - <<"END"
import json
d = json.load(open("d.json"))
q = [x for x in d["layers"] if x["is_quantized"]]
print(d["schema"], d["n"], 0 <= d["labels_kept"] <= 1, d["flips"] == round((1 - d["labels_kept"]) * 40),
      len(q) > 5, all(x["own_sqnr_db"] > 15 for x in q), "own_sqnr_db" in d["layers"][-1],
      d["first_divergence"] in [None] + [x["name"] for x in q])
END
