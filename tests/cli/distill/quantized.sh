# int8 that learns from the float model it was, and from another teacher
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
for teacher in self m.onnx; do
    dscompress quantize m.onnx --method qat --train "$messages" --split 70/10/20 --teacher $teacher --alpha 1 -q -f -o q.onnx --json=q.json > /dev/null || exit
    grep -o '"schema":"[a-z./1]*"' q.json
    cp q.onnx "q-$(basename $teacher .onnx).onnx"
done
for m in q-self q-m; do dscompress eval $m.onnx -q --data "$messages" --metric accuracy | sed -n 2p; done | sort -u | wc -l
