# terms on what happens inside the teacher: one that is the student has nothing to teach; the same bytes for any
# number of threads; learned maps are not written
. "$SOURCE/tests/cli/tiny.sh"
train teacher.onnx > /dev/null || exit 99
kinds="hidden hidden,loss=cosine embedding attention attention,loss=kl pkd relation relation2,heads=8 rkd crd"
loss() { dscompress distill "$1" --teacher teacher.onnx --train "$messages" --max-length 32 --alpha 1 --dropout 0 -n -q -o x.onnx --term "$2" | grep -o 'loss [0-9.]*'; }
for kind in $kinds; do echo "$kind $(loss teacher.onnx $kind)"; done | grep -v '^crd'
distill() { dscompress distill "$encoder" --train "$messages" --epochs 1 --max-length 32 --lr 3e-3 -q "$@" > /dev/null || exit; }
all=
for kind in $kinds; do all="$all --term $kind,weight=0.3:0.1"; done
distill --teacher teacher.onnx $all -j 1 -o one.onnx
distill --teacher teacher.onnx $all -j 3 --teacher-cache t.cache -o three.onnx
distill --teacher teacher.onnx $all -j 2 --teacher-cache t.cache -o again.onnx
cmp one.onnx three.onnx && cmp three.onnx again.onnx && echo the same bytes
distill --teacher teacher.onnx -o plain.onnx
names() { dscompress inspect "$1" --json --tensors | python3 -c 'import json, sys; print(sorted(t["name"] for t in json.load(sys.stdin)["tensors"]))'; }
[ "$(names one.onnx)" = "$(names plain.onnx)" ] && echo the same tensors
grep -c 'dscompress.term' one.onnx
dscompress distill "$encoder" --teacher teacher.onnx --train "$messages" --max-length 32 --epochs 2 --lr 3e-3 --term crd --state run -q -o s.onnx > /dev/null || exit
dscompress distill "$encoder" --teacher teacher.onnx --train "$messages" --max-length 32 --epochs 2 --lr 3e-3 --term crd -q -o t.onnx > /dev/null || exit
cmp s.onnx t.onnx && echo the same bytes with a state
dscompress distill "$encoder" --teacher teacher.onnx --train "$messages" --max-length 32 --epochs 1 --micro 8 --term hidden,weight=0.5 --term rkd,weight=2 -q -o v.onnx --json=v.json > /dev/null || exit
python3 - <<"END"
import json
r = json.load(open("v.json"))
p = {x["name"]: x["value"] for x in r["parts"]}
print(sorted(p), abs(0.7 * p["kl"] + 0.3 * p["cross-entropy"] + 0.5 * p["hidden"] + 2 * p["rkd"] - r["loss"]) < 1e-5)
END
# a smaller vocabulary cuts some rows into other tokens
head -n 16 "$messages" > few.tsv
dscompress prune teacher.onnx --pattern vocab --data few.tsv -q -o small.onnx > /dev/null || exit
dscompress distill small.onnx --teacher teacher.onnx --train "$messages" --epochs 1 --term hidden -o u.onnx 2>&1 | grep -o 'terms on tokens see [0-9]* of [0-9]* rows'
dscompress quantize teacher.onnx --method qat --train "$messages" --teacher self --term hidden --term relation -q -o q.onnx > /dev/null || exit
dscompress prune teacher.onnx --pattern ffn --sparsity 0.5 --train "$messages" --epochs 1 --importance taylor --teacher self --term hidden -q -o p.onnx > /dev/null
