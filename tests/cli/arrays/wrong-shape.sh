. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:2,13:0 label=i8:2:0,1
dscompress train "$mlp/binary.onnx" --train t.npz -o q.onnx
