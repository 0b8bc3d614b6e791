. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:6,4:1,2,0.5 label=i8:6:0,1,2
dscompress eval "$MODELS/onnx/dropout.onnx" --data t.npz
