. "$SOURCE/tests/cli/mlp.sh"
python3 -c "print('#' * 300000)" > r.yaml
dscompress eval m.onnx --data d.npz --recipe r.yaml
