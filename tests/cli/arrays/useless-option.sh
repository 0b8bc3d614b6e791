. "$SOURCE/tests/cli/mlp.sh"
dscompress eval "$mlp/binary.onnx" --data "$mlp/binary.npz" --max-length 8
