. "$SOURCE/tests/cli/mlp.sh"
dscompress eval "$mlp/binary.pair.onnx" --data "$mlp/binary.npz"
