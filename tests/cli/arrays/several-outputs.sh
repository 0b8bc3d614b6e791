. "$SOURCE/tests/cli/mlp.sh"
dscompress eval "$mlp/binary.sigmoid.onnx" --data "$mlp/binary.npz"
