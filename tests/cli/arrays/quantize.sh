. "$SOURCE/tests/cli/mlp.sh"
for m in classes binary values; do
    data=$mlp/$m.npz
    dscompress quantize "$mlp/$m.onnx" -q --calib "$data" -o $m-static.onnx > /dev/null || exit
    dscompress quantize "$mlp/$m.onnx" -q --calib "$data" --smooth 0 -o $m-plain.onnx > /dev/null || exit
    dscompress quantize "$mlp/$m.onnx" -q --method dynamic -o $m-dynamic.onnx > /dev/null || exit
    dscompress quantize "$mlp/$m.onnx" -q --method weight-only -o $m-w8.onnx > /dev/null || exit
    dscompress quantize "$mlp/$m.onnx" -q --method weight-only --calib "$data" -o $m-gptq.onnx > /dev/null || exit
    dscompress quantize "$mlp/$m.onnx" -q --method qat --train "$data" -o $m-qat.onnx > /dev/null || exit
    for how in static plain dynamic w8 gptq qat; do
        [ $m = values ] && bar=mse=0.002 || bar=accuracy=0.01
        dscompress gate $m-$how.onnx --baseline "$mlp/$m.onnx" --data "$data" --max-drop $bar > out 2>&1 || { echo "$m $how"; cat out; }
    done
done
