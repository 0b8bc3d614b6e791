# zeros while training: as many as are asked for, the same bytes for any number of threads
. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/classes.onnx
p() { dscompress prune "$m" --train "$mlp/classes.npz" --lr 3e-3 -q -f "$@"; }
p --pattern unstructured --sparsity 0.75 --schedule cubic --epochs 8 --eval "$mlp/classes.npz" --json -j 1 -o c.onnx > c.json || exit
p --pattern unstructured --sparsity 0.75 --schedule cubic --epochs 8 -j 3 -o d.onnx > /dev/null
cat > show.py <<'END'
import json, sys
r = json.load(open(sys.argv[1]))
print(r["sparsity"], r["steps"], sorted(r.get("metrics", {})), [(t["name"], t["zeros"]) for t in r["tensors"] if not t["why"]])
END
python3 show.py c.json
weights() { dscompress inspect "$1" --tensors='*weight' --stats | awk '$1 ~ /weight$/ { print $1, $4, $5, $7 }'; }
weights c.onnx > c.txt; weights d.onnx > d.txt; cmp c.txt d.txt && echo "the same for 1 and 3 threads"
dscompress inspect --diff c.onnx "$m" > /dev/null 2>&1 || echo "it was trained"
p --pattern block:2x2 --sparsity 0.5 --scope global --schedule cubic --epochs 1 --json -o b.onnx > b.json && python3 show.py b.json
p --pattern 1:2 --epochs 1 --json -o n.onnx > n.json && python3 show.py n.json
p --pattern unstructured --sparsity 0.75 --importance movement --epochs 8 --json -j 1 -o m.onnx > m.json && python3 show.py m.json
p --pattern unstructured --sparsity 0.75 --importance movement --schedule agp --epochs 8 -j 3 -o a.onnx > /dev/null
weights m.onnx > m.txt; weights a.onnx > a.txt; cmp m.txt a.txt && echo "agp is cubic, for 1 and 3 threads"
cmp -s m.txt c.txt || echo "other weights stay than by magnitude"
p --pattern 1:2 --importance movement --epochs 2 --json -o n.onnx > n.json && python3 show.py n.json
p --pattern ffn --sparsity 0.5 --epochs 1 --teacher self -o f.onnx > f.txt && sed 's/, [0-9.]* examples.*//; s/loss .*/loss/' f.txt | tail -n 2
p --pattern ffn --sparsity 0.5 --importance taylor --epochs 1 --json -j 1 -o y.onnx > y.json && python3 -c '
import json
r = json.load(open("y.json"))
print([(g["name"], g["units"], g["removed"]) for g in r["groups"] if not g["why"]], r["steps"])'
p --pattern ffn --sparsity 0.5 --importance taylor --epochs 1 -j 2 -o z.onnx > /dev/null && cmp y.onnx z.onnx && echo "same bytes"
try() { dscompress prune "$m" -q -o no.onnx "$@" 2>&1 > /dev/null | head -n 1; }
try --pattern 2:4 --train "$mlp/classes.npz" --schedule cubic
try --pattern ffn --sparsity 0.5 --train "$mlp/classes.npz" --schedule cubic
try --pattern unstructured --sparsity 0.5 --schedule cubic
try --pattern unstructured --sparsity 0.5 --epochs 2
try --pattern unstructured --sparsity 0.5 --train "$mlp/classes.npz" --schedule cubic --freeze fc2
try --pattern unstructured --sparsity 0.5 --train nowhere.npz
try --pattern unstructured --sparsity 0.5 --train "$mlp/classes.npz" --importance taylor
try --pattern ffn --sparsity 0.5 --importance taylor
try --pattern ffn --sparsity 0.5 --importance movement --train "$mlp/classes.npz"
try --pattern unstructured --sparsity 0.5 --importance movement
try --pattern unstructured --sparsity 0.5 --importance movement --schedule oneshot --train "$mlp/classes.npz"
try --pattern ffn --sparsity 0.5 --importance taylor --train "$mlp/classes.npz" --freeze fc2
ls no.onnx 2> /dev/null
true
