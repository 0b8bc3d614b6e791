# the zeros of a mask outlive training, quantization-aware training and rounding by GPTQ
. "$SOURCE/tests/cli/mlp.sh"
dscompress prune "$mlp/classes.onnx" --pattern 2:4 --exclude fc1 -q -o p.onnx > /dev/null || exit
zeros() { dscompress inspect "$1" --tensors="$2" --stats | awk -v t="^$2" '$1 ~ t { print FILENAME $1, $2, $7 }'; }
dscompress train p.onnx --train "$mlp/classes.npz" --epochs 2 -q -o t.onnx > /dev/null || exit
dscompress distill p.onnx --teacher "$mlp/classes.onnx" --train "$mlp/classes.npz" --epochs 1 -q -o d.onnx > /dev/null || exit
for m in p t d; do
    zeros $m.onnx fc2.weight
    zeros $m.onnx out.weight
done
dscompress inspect --diff p.onnx t.onnx > /dev/null 2>&1 && echo "nothing was trained"
dscompress quantize p.onnx --calib "$mlp/classes.npz" -q -o q.onnx > /dev/null || exit
dscompress quantize p.onnx --method qat --train "$mlp/classes.npz" -q -o qat.onnx > /dev/null || exit
dscompress train qat.onnx --train "$mlp/classes.npz" --epochs 1 -q -o more.onnx > /dev/null || exit
for m in q qat more; do # rounding may make more of them
    dscompress inspect $m.onnx --tensors='fc2.weight_quantized' --stats | awk '$1 == "fc2.weight_quantized" { print ($7 >= 288) }'
done
