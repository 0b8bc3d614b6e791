. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:6,10:1,2,0.5 kind=i8:6:0 label=i8:6:0,1,2
for o in --json=no/r.json --predictions=no/p.jsonl; do
    dscompress eval "$mlp/classes.onnx" --data t.npz $o
    echo $?
done
dscompress gate "$mlp/classes.onnx" --data t.npz --min accuracy=0 --junit no/j.xml
echo $?
dscompress eval "$mlp/classes.onnx" --data t.npz --json=/dev/stderr > /dev/null 2> r.json || exit
grep -c accuracy r.json
