. "$SOURCE/tests/cli/mlp.sh"
dscompress eval m.onnx --data d.npz --set metrics=f1
