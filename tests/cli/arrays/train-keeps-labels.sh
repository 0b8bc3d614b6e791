. "$SOURCE/tests/cli/mlp.sh"
for m in classes values; do
    dscompress train "$mlp/$m.onnx" --train "$mlp/$m.npz" --eval "$mlp/$m.npz" --split 70/10/20 --lr 1e-3 -q -o $m.onnx > /dev/null || exit
    dscompress eval $m.onnx -q --data "$mlp/$m.npz" --split 70/10/20 --part test
done
dscompress inspect classes.onnx --json > i.json && python3 -c "
import json
d = json.load(open('i.json'))
print({k: v for k, v in d.get('metadata', d).items() if 'labels' in k or 'task' in k})"
