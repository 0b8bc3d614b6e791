. "$SOURCE/tests/cli/mlp.sh"
python3 -c "
for i in range(2000):
    print(f'a{i}: 1')" > r.yaml
dscompress eval m.onnx --data d.npz --recipe r.yaml
