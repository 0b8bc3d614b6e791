# ranges are of one model: another of the same shape does not take them, nor do its own join them
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
train n.onnx --seed 7 > /dev/null || exit 99
for model in m n; do
    dscompress calibrate $model.onnx -q --data "$messages" -o $model.ranges > /dev/null || exit 99
done
dscompress calibrate --merge m.ranges m.ranges -q -o twice.ranges > /dev/null || exit 99
# as it was written before files said it
python3 - <<"END"
import json, struct
b = open("m.ranges", "rb").read()
n = struct.unpack("<Q", b[:8])[0]
head = json.loads(b[8:8 + n])
for name, model in ("old", None), ("odd", "m"):
    head["__metadata__"].pop("model")
    if model:
        head["__metadata__"]["model"] = model
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    open(name + ".ranges", "wb").write(struct.pack("<Q", len(text)) + text + b[8 + n:])
    head["__metadata__"]["model"] = ""
END
try() {
    dscompress "$@" -q > /dev/null 2> err
    echo "$? $(grep -o '[^:]*\.ranges: .*' err | sed 's/sha256 [0-9a-f]*\.\., not [0-9a-f]*\.\./sha256/')"
}
try quantize m.onnx --ranges m.ranges -o m8.onnx
try quantize m.onnx --ranges twice.ranges -o twice8.onnx
try quantize n.onnx --ranges old.ranges -o old8.onnx
try quantize n.onnx --ranges m.ranges -o q.onnx
try quantize n.onnx --ranges twice.ranges -o q.onnx
try quantize n.onnx --ranges odd.ranges -o q.onnx
try calibrate --merge m.ranges n.ranges -o mn.ranges
try calibrate --merge old.ranges n.ranges m.ranges -o mn.ranges
ls q.onnx mn.ranges 2> /dev/null
true
