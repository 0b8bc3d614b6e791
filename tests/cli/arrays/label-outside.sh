. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:4,10:0 kind=i8:4:1 label=i8:4:0,1,3,-1
dscompress gate "$mlp/classes.onnx" --data t.npz --min accuracy=0.5
