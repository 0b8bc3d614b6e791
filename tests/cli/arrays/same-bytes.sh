. "$SOURCE/tests/cli/mlp.sh"
for j in 1 2; do
    dscompress quantize "$mlp/classes.onnx" -q -j $j --calib "$mlp/classes.npz" -o s$j.onnx > /dev/null || exit
    dscompress train "$mlp/binary.onnx" -q -j $j --train "$mlp/binary.npz" --epochs 2 --micro 8 -o t$j.onnx > /dev/null || exit
done
cmp s1.onnx s2.onnx && cmp t1.onnx t2.onnx
