# three stages in order, each on what the one before wrote: the files and the answer are those of the commands by hand;
# with --state only what has changed runs again
. "$SOURCE/tests/cli/tiny.sh"
cat > r.yaml <<END
split: 70/10/20
max-length: 32
eval: {metric: [f1, accuracy]}
stages:
- train:
    args: [$encoder]
    train: $messages
    positive: spam
    epochs: 2
    lr: 3e-3
    output: fp32.onnx
- quantize: {calib: $messages, output: int8.onnx}
- eval: {data: $messages, part: test, json: e.json}
END
stages() { dscompress pipeline r.yaml --progress none "$@" 2> err | sed -n 's/^\(\[[0-9]*.[0-9]*\] [a-z0-9-]*[^:]*:\) .*/\1/p'; }
stages --state st
dscompress train "$encoder" --train "$messages" --split 70/10/20 --max-length 32 --positive spam --epochs 2 --lr 3e-3 -q -o a.onnx > /dev/null || exit
dscompress quantize a.onnx --calib "$messages" --split 70/10/20 --max-length 32 -q -o b.onnx > /dev/null || exit
dscompress eval b.onnx --data "$messages" --split 70/10/20 --max-length 32 --part test --metric f1,accuracy -q --json=f.json > /dev/null || exit
cmp a.onnx fp32.onnx && cmp b.onnx int8.onnx && python3 -c '
import json
print(json.load(open("e.json"))["metrics"] == json.load(open("f.json"))["metrics"])'
echo "-- again"
stages --state st
echo "-- an option of one stage"
stages --state st --set quantize.smooth=0.5 -n
stages --state st --set smooth=0.5
cmp -s b.onnx int8.onnx || echo "another file"
echo "-- its output is not what it wrote"
echo x >> int8.onnx
stages --state st --set quantize.smooth=0.5
echo "-- the first changes, and all that follows from it"
stages --state st --set train.lr=1e-3 -n
dscompress pipeline r.yaml --state st --set train.lr=1e-3 -n --json | python3 -c '
import json, sys
print([(s["name"], s["outcome"], s.get("output")) for s in json.load(sys.stdin)["stages"]])'
echo "-- without a state nothing is replaced unasked"
dscompress pipeline r.yaml -q > out 2> err
echo $?
grep -o 'fp32.onnx: .*\[EXISTS\]' err
dscompress pipeline r.yaml -qf --json | python3 -c 'import json, sys; print([s["outcome"] for s in json.load(sys.stdin)["stages"]])'
