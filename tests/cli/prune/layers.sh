# top layers go: the encoder is then the one whose config.json has fewer
. "$SOURCE/tests/cli/tiny.sh"
base=$MODELS/hf/bert/base
dscompress prune "$base" --pattern layers --sparsity 0.5 -o p.onnx | sed 's/[0-9.]* MB/N MB/' || exit
cp -r "$base" fewer && chmod -R u+w fewer
sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 1/' fewer/config.json
python3 -c '
import json, struct
data = open("fewer/model.safetensors", "rb").read()
n, = struct.unpack("<Q", data[:8])
head, body, parts, at = json.loads(data[8:8 + n]), data[8 + n:], [], 0
for name, t in list(head.items()):
    if name.startswith("encoder.layer.1.") or name == "__metadata__":
        del head[name]
        continue
    part = body[t["data_offsets"][0]:t["data_offsets"][1]]
    t["data_offsets"] = [at, at + len(part)]
    at += len(part)
    parts.append(part)
text = json.dumps(head).encode()
open("fewer/model.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + b"".join(parts))'
for m in p.onnx fewer; do
    dscompress run $m --inputs "$base.short.in.npz" -q -f -o $m.npz > /dev/null || exit
done
cmp p.onnx.npz fewer.npz && echo "same values"
dscompress prune "$base" --pattern layers --sparsity 0.5 --exclude 'layer\.1\.' -q --json -o q.onnx |
    python3 -c '
import json, sys
r = json.load(sys.stdin)
print(r["sparsity"], r["params_after"] < r["params_before"], [(l["name"], l["removed"]) for l in r["layers"]])'
# the notes of zeros go with their layers
train m.onnx > /dev/null && dscompress prune m.onnx --pattern 2:4 -q -o z.onnx > /dev/null || exit
dscompress prune z.onnx --pattern layers --sparsity 0.5 -q -o zl.onnx > /dev/null || exit
dscompress inspect zl.onnx --json | python3 -c '
import json, sys
m = json.load(sys.stdin)["metadata"]
m = m if isinstance(m, dict) else {p["key"]: p["value"] for p in m}
names = json.loads(m["dscompress.sparsity"])
print(len(names), any("layer.1" in n for n in names))'
dscompress train zl.onnx --train "$messages" --split 70/10/20 --epochs 1 --max-length 32 -q -o t.onnx > /dev/null && echo trained
try() { dscompress prune "$@" -q -o no.onnx 2>&1 > /dev/null | head -n 1 | sed "s#$MODELS#MODELS#"; }
try p.onnx --pattern layers --sparsity 0.5
try "$base" --pattern layers --sparsity 0.1
try "$base" --pattern layers --sparsity 0.5 --exclude layer
try "$base" --pattern layers --sparsity 0.5 --scope global
try "$base" --pattern layers --sparsity 0.5 --include nowhere
try "$MODELS/mlp/binary.onnx" --pattern layers --sparsity 0.5
ls no.onnx 2> /dev/null
true
