. "$SOURCE/tests/cli/mlp.sh"
dscompress eval "$mlp/values.onnx" -q --data - < "$mlp/values.npz"
