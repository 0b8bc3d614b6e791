. "$SOURCE/tests/cli/mlp.sh"
echo 'metric: accuracy' | dscompress eval "$mlp/classes.onnx" --data "$mlp/classes.npz" --recipe - -q | head -n 2 | tail -n 1
