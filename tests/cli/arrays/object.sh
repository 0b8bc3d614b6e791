. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=O:2,12:0 label=i8:2:0,1
dscompress eval "$mlp/binary.onnx" --data t.npz
