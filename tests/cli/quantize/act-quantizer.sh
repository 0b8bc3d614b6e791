# what learns of activations: other files, the same for any number of threads, that eval reads; refused
# where zero points are fixed or nothing learns
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
qat() { dscompress quantize m.onnx -q --method qat --epochs 2 --lr 1e-3 --train "$messages" "$@" > /dev/null; }
qat -o lsq.onnx || exit
for how in "--act-quantizer lsq+" "--act-quantizer pact" --stochastic-rounding; do
    qat $how -j 1 -o 1.onnx && qat $how -j 2 -f -o 2.onnx || exit
    cmp -s 1.onnx lsq.onnx && echo "$how changes nothing"
    cmp 1.onnx 2.onnx && dscompress eval 1.onnx --data "$messages" -q > /dev/null && echo "$how"
    rm 1.onnx 2.onnx
done
qat --act-quantizer lsq+ --target tensorrt -o t.onnx && echo "zero points are fixed"
dscompress quantize m.onnx -q --calib "$messages" --act-quantizer pact -o t.onnx
echo $?
