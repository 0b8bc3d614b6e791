. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --split 70/10/20 -o q.onnx --json=r.json > /dev/null || exit
python3 - <<"END"
import json
d = json.load(open("r.json"))
t = d["tensors"]
keys = {"name", "dtype_in", "dtype_out", "granularity", "sqnr_db", "why"}
print(d["schema"], abs(d["ratio"] - d["size_bytes"] / d["size_bytes_before"]) < 1e-9, 0 < d["ratio"] < 1,
      any(set(x) == keys and x["dtype_out"] == "i8" for x in t), all(x["why"] for x in t if x["dtype_out"] == "f32"))
END
dscompress eval q.onnx --data "$messages" | tail -n 1
