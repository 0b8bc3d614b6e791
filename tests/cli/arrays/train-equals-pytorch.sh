. "$SOURCE/tests/cli/mlp.sh"
for optim in sgd adamw; do
    [ $optim = sgd ] && lr=0.1 || lr=3e-3
    dscompress train "$mlp/binary.onnx" -q --train "$mlp/binary.npz" --optimizer $optim --lr $lr --clip 0 --warmup 0 --schedule constant --weight-decay 0 --batch 300 --epochs 20 -o $optim.onnx > /dev/null || exit
    dscompress eval $optim.onnx --data "$mlp/binary.npz" --metric log-loss --json > $optim.json || exit
done
python3 - "$mlp/mlp.json" <<"END"
import json, sys
want = json.load(open(sys.argv[1]))["bce"]
for name in ("sgd", "adamw"):
    got = json.load(open(name + ".json"))["metrics"]["log-loss"]["value"]
    print(name, "equal" if abs(got - want[name]) < 1e-6 else f"{got} not {want[name]}")
END
