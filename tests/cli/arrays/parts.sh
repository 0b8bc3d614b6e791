. "$SOURCE/tests/cli/mlp.sh"
for part in train dev test; do
    dscompress eval "$mlp/classes.onnx" -q --data "$mlp/classes.npz" --split 70/10/20 --part $part --predictions $part.jsonl > /dev/null || exit
done
python3 - "$mlp/mlp.json" <<"END"
import json, sys
parts = json.load(open(sys.argv[1]))["parts"]
for name, letter in (("train", "t"), ("dev", "d"), ("test", "e")):
    rows = [json.loads(line)["row"] for line in open(name + ".jsonl")]
    print(name, len(rows), rows == [i for i, p in enumerate(parts) if p == letter])
END
