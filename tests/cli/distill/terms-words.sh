# what a term cannot compare is said, with the place
. "$SOURCE/tests/cli/tiny.sh"
train teacher.onnx > /dev/null || exit 99
try() { dscompress distill "$encoder" --teacher teacher.onnx --train "$messages" --positive spam --max-length 32 -q -o x.onnx "$@" 2>&1 | grep -v '^  hint: see'; }
try --term hiden
try --term hidden,map=2:3
try --term attention,map=0:0
try --term hidden,map=middle
try --term hidden,weight=x
try --term relation2,heads=7
mlp="$MODELS/mlp"
dscompress distill "$mlp/classes.onnx" --teacher "$mlp/classes.onnx" --train "$mlp/classes.npz" --term hidden -q -o x.onnx
dscompress distill "$mlp/classes.onnx" --teacher "$mlp/classes.onnx" --train "$mlp/classes.npz" --term rkd --term crd --epochs 1 -q -o y.onnx > /dev/null
echo $?
dscompress quantize teacher.onnx --calib "$messages" --term hidden -q -o x.onnx
dscompress prune teacher.onnx --pattern heads --sparsity 0.5 -q -o half.onnx > /dev/null || exit
dscompress distill half.onnx --teacher teacher.onnx --train "$messages" --term attention -q -o x.onnx
dscompress distill half.onnx --teacher teacher.onnx --train "$messages" --term relation2 --epochs 1 -q -o z.onnx > /dev/null
echo $?
dscompress train "$MODELS/hf/roberta/base" --train "$messages" --positive spam --max-length 32 --epochs 1 -q -o r.onnx > /dev/null || exit 99
dscompress distill teacher.onnx --teacher r.onnx --train "$messages" --term pkd --epochs 1 -q -o w.onnx > /dev/null
echo $?
dscompress distill teacher.onnx --teacher r.onnx --train "$messages" --term hidden --epochs 1 -q -o x.onnx
