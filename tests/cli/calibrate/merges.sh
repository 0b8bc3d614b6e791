. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
head -n 161 "$messages" > a.tsv
{ head -n 1 "$messages"; tail -n +162 "$messages"; } > b.tsv
for s in a b; do dscompress calibrate m.onnx -q --data $s.tsv -o $s.ranges > /dev/null || exit; done
dscompress calibrate m.onnx -q --data "$messages" -o all.ranges --json=all.json > /dev/null &&
dscompress calibrate --merge a.ranges b.ranges -q -o ab.ranges --json=ab.json > /dev/null &&
dscompress calibrate --merge b.ranges a.ranges -q -o ba.ranges > /dev/null || exit
cmp ab.ranges ba.ranges
python3 - <<"END"
import json
a, b = ({t["name"]: t["values"] for t in json.load(open(f))["tensors"]} for f in ("all.json", "ab.json"))
print(a == b)
END
