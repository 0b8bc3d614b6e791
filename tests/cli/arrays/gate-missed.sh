. "$SOURCE/tests/cli/mlp.sh"
dscompress gate "$mlp/binary.onnx" --data "$mlp/binary.npz" --min f1=0.9
