# copies of rows, in which words become neighbours by cosine in the embedding; the seed alone decides which
. "$SOURCE/tests/cli/tiny.sh"
train teacher.onnx > /dev/null || exit 99
distill() { dscompress distill "$encoder" --teacher teacher.onnx --train "$messages" --epochs 1 --max-length 32 --lr 3e-3 "$@"; }
distill --augment 3 -v -o a.onnx -j 1 2> log > /dev/null || exit
python3 - "$encoder" "$messages" <<"END"
import json, re, struct, sys
folder, data = sys.argv[1:]
vocab = [line.rstrip("\n") for line in open(folder + "/vocab.txt")]
raw = open(folder + "/model.safetensors", "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
head = json.loads(raw[8:8 + n])
key = next(k for k in head if k.endswith("word_embeddings.weight"))
rows, width = head[key]["shape"]
start = 8 + n + head[key]["data_offsets"][0]
flat = struct.unpack(f"<{rows * width}f", raw[start:start + 4 * rows * width])
table = {t: flat[i * width:(i + 1) * width] for i, t in enumerate(vocab) if t.isalpha() and len(t) > 1}
norm = lambda x: sum(v * v for v in x) ** 0.5
cosine = lambda a, b: sum(x * y for x, y in zip(table[a], table[b])) / norm(table[a]) / norm(table[b])
near = {t: set(sorted((u for u in table if u != t), key=lambda u: -cosine(t, u))[:15]) for t in table}
texts = [line.split("\t")[0] for line in open(data, encoding="utf-8").read().splitlines()[1:]]
shown = [re.fullmatch(r"dscompress: (?:debug: )?row (\d+) as: (.*)", line.rstrip("\n")) for line in open("log", encoding="utf-8")]
shown = [(texts[int(m[1])], m[2]) for m in shown if m]
words = lambda t: re.findall(r"[A-Za-z]+|[^A-Za-z]+", t)
changed = kept = wrong = 0
for before, after in shown:
    a, b = words(before), words(after)
    wrong += len(a) != len(b)
    for x, y in zip(a, b):
        if x != y:
            changed += 1
            wrong += y not in near.get(x.lower(), ())
        else:
            kept += x.lower() in table
print(len(shown), "copies shown;", wrong, "wrong;", 0.2 < changed / (changed + kept) < 0.6)
END
distill --augment 3 --teacher-cache t.cache -q -o b.onnx -j 3 > /dev/null || exit
distill --augment 3 --teacher-cache t.cache -q -o c.onnx > /dev/null || exit
cmp a.onnx b.onnx && cmp b.onnx c.onnx && echo the same bytes
cut -f 1 "$messages" | head -n 30 > texts.tsv
distill --augment 2 --augment-rate 1 --unlabeled texts.tsv -o d.onnx 2> log > /dev/null || exit
grep -o '[0-9]* rows with labels and .*' log
distill --augment 3 --seed 1 --teacher-cache t.cache -q -o x.onnx
dscompress distill "$MODELS/mlp/classes.onnx" --teacher "$MODELS/mlp/classes.onnx" --train "$MODELS/mlp/classes.npz" --augment 2 -q -o x.onnx
dscompress distill "$encoder" --teacher teacher.onnx --train "$messages" --augment-rate 0.2 -q -o x.onnx
