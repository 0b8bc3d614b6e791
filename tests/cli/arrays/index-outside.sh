. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:4,10:0 kind=i8:4:1,9 label=i8:4:0,1
dscompress eval "$mlp/classes.onnx" --data t.npz
