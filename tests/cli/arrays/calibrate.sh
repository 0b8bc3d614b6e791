. "$SOURCE/tests/cli/mlp.sh"
dscompress calibrate "$mlp/binary.onnx" -q --data "$mlp/binary.npz" -o all.ranges > /dev/null || exit
for part in train dev; do
    dscompress calibrate "$mlp/binary.onnx" -q --data "$mlp/binary.npz" --limit 100 -o $part.ranges > /dev/null || exit
done
dscompress calibrate --merge train.ranges dev.ranges -o merged.ranges > /dev/null || exit
dscompress quantize "$mlp/binary.onnx" -q --ranges all.ranges -o q.onnx > /dev/null || exit
dscompress eval q.onnx -q --data "$mlp/binary.npz" --metric accuracy
