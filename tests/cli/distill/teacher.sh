# a student without labels of its own takes the teacher's classes; more of the teacher, less of the labels
. "$SOURCE/tests/cli/tiny.sh"
train teacher.onnx > /dev/null || exit 99
distill() {
    out=$1
    shift
    dscompress distill "$encoder" --teacher teacher.onnx --train "$messages" --split 70/10/20 --epochs 6 \
        --max-length 32 --lr 3e-3 -q -f -o "$out" "$@"
}
distill half.onnx --json=half.json > /dev/null || exit
distill all.onnx --alpha 1 -j 1 > /dev/null || exit
distill again.onnx --alpha 1 -j 3 > /dev/null || exit
cmp all.onnx again.onnx && echo "the same bytes with 1 and 3 threads"
for m in teacher half all; do
    dscompress eval $m.onnx -q --data "$messages" --split 70/10/20 --part train --predictions $m.jsonl > /dev/null || exit
done
dscompress inspect half.onnx --json=m.json > /dev/null
python3 - <<"END"
import json
read = lambda name: [json.loads(line) for line in open(name + ".jsonl")]
t, half, whole = read("teacher"), read("half"), read("all")
gap = lambda a: sum(abs(x["probabilities"][1] - y["probabilities"][1]) for x, y in zip(a, t)) / len(t)
print("closer with --alpha 1", gap(whole) < gap(half), gap(whole) < 0.1)
print("the classes are the teacher's", json.load(open("half.json"))["schema"])
END
dscompress eval half.onnx -q --data "$messages" --split 70/10/20 --part dev --metric f1 | sed -n 2p | cut -c1-2
