. "$SOURCE/tests/cli/mlp.sh"
dscompress eval m.onnx --data d.npz --recipe nothing.yaml
