. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
for n in 1 16; do dscompress eval m.onnx -q --data "$messages" --pad-to $n --predictions $n.jsonl > /dev/null || exit; done
python3 - <<"END"
import json
a, b = ([json.loads(line) for line in open(f)] for f in ("1.jsonl", "16.jsonl"))
far = max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p["probabilities"], q["probabilities"]))
print(len(a) == len(b) > 0, far < 1e-5)
END
dscompress eval m.onnx -q --data "$messages" --pad-to 0
