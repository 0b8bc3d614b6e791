# --norm-rows: statistics of BatchNormalization are those of the rows, as PyTorch's training mode has them; a model
# without any, or in which all are folded into layers, is told so
m=$MODELS/torch/batchnorm_ts.onnx
data=$MODELS/torch/batchnorm.in.npz
dscompress train "$m" --train "$data" --epochs 1 --lr 1e-12 --weight-decay 0 --batch 7 --norm-rows 7 -q -o t.onnx > /dev/null || exit
dscompress export t.onnx --target safetensors -q -o t.safetensors > /dev/null || exit
python3 - "$MODELS/torch/batchnorm.stats.npz" <<"END"
import json, struct, sys, zipfile
got = open("t.safetensors", "rb").read()
n = struct.unpack("<Q", got[:8])[0]
head, data = json.loads(got[8:8 + n]), got[8 + n:]
worst = 0
with zipfile.ZipFile(sys.argv[1]) as z:
    for name in z.namelist():
        raw = z.read(name)
        raw = raw[10 + struct.unpack("<H", raw[8:10])[0]:]
        want = struct.unpack(f"<{len(raw) // 8}d", raw)
        a, b = head[name[:-4]]["data_offsets"]
        have = struct.unpack(f"<{(b - a) // 4}f", data[a:b])
        worst = max([worst] + [abs(x - y) for x, y in zip(have, want)])
        print(name[:-4], len(have) == len(want))
print(worst < 1e-6)
END
dscompress train "$MODELS/mlp/classes.onnx" --train "$MODELS/mlp/classes.npz" --norm-rows 3 -q -o x.onnx
echo $?
dscompress quantize "$m" --method qat --train "$data" --norm-rows 7 -q -o q.onnx > /dev/null && dscompress inspect q.onnx --json=q.json > /dev/null && grep -o '"BatchNormalization":[0-9]*' q.json
