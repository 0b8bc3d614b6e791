# half precision keeps labels, halves the file, and leads back; eval runs what was written
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress eval m.onnx -q --data "$messages" --predictions m.jsonl > /dev/null || exit 99
for d in fp16 bf16; do
    dscompress export m.onnx -q --dtype $d --verify "$messages" -o $d.onnx || exit
    dscompress eval $d.onnx -q --data "$messages" --predictions $d.jsonl > /dev/null || exit
done
dscompress export bf16.onnx -q --dtype f32 --verify "$messages" -o back.onnx || exit
dscompress inspect fp16.onnx | grep "^output"
dscompress inspect back.onnx --tensors="classifier.weight*"
python3 - <<"END"
import json, os
def rows(name):
    return [json.loads(line) for line in open(name + ".jsonl")]
source = rows("m")
for d in "fp16", "bf16":
    same = sum(a["prediction"] == b["prediction"] for a, b in zip(source, rows(d)))
    weights = os.path.getsize("m.onnx") - os.path.getsize(d + ".onnx")
    print(d, same >= len(source) - 1, weights > 30000)
END
