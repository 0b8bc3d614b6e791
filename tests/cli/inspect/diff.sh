. "$SOURCE/tests/cli/tiny.sh"
train a.onnx > /dev/null && train b.onnx --lr 3e-4 > /dev/null || exit 99
dscompress export a.onnx -q --dtype bf16 -o c.onnx > /dev/null || exit 99
dscompress inspect --diff a.onnx b.onnx
echo "exit $?"
dscompress inspect --diff a.onnx c.onnx
echo "exit $?"
dscompress inspect --diff a.onnx b.onnx --json=r.json > /dev/null
python3 - <<"END"
import json
d = json.load(open("r.json"))
w = next(t for t in d["tensors"] if t["name"] == "classifier.weight")
print(d["equal"], w["a"] == w["b"], w["different"] > 20, 0 < w["max_abs"] < 1, d["ops"], d["metadata"])
END
