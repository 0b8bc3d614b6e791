. "$SOURCE/tests/cli/mlp.sh"
npz t.npz y=i8:2:0,1 features=f4:2,12:0.5 other=f4:1:0
dscompress eval "$mlp/binary.onnx" --data t.npz --columns label=y,x=features
