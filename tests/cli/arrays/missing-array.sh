. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:2,10:0 label=i8:2:0,1
dscompress eval "$mlp/classes.onnx" --data t.npz
