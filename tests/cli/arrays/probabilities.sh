. "$SOURCE/tests/cli/mlp.sh"
# what ends in Softmax or Sigmoid scores as what ends in its logits, and learns as that
for m in classes.softmax binary.sigmoid; do
    base=${m%.*}
    dscompress quantize "$mlp/$m.onnx" --logits probs -q --calib "$mlp/$base.npz" -o $base.onnx > /dev/null || exit
    dscompress gate $base.onnx -q --baseline "$mlp/$m.onnx" --logits probs --data "$mlp/$base.npz" --max-drop accuracy=0.01 > /dev/null || exit
    dscompress eval "$mlp/$m.onnx" --logits probs --data "$mlp/$base.npz" --metric accuracy,log-loss --json > $base.json || exit
done
dscompress train "$mlp/binary.sigmoid.onnx" --logits probs -q --train "$mlp/binary.npz" --optimizer sgd --lr 0.1 --clip 0 --warmup 0 --schedule constant --weight-decay 0 --batch 300 --epochs 20 -o t.onnx > /dev/null || exit
dscompress eval t.onnx --data "$mlp/binary.npz" --metric log-loss --json > sgd.json || exit
python3 - "$mlp/mlp.json" <<"END"
import json, sys
want = json.load(open(sys.argv[1]))
for m in ("classes", "binary"):
    got = json.load(open(m + ".json"))["metrics"]
    print(m, [abs(got[k]["value"] - want[m][k]) < 1e-6 for k in ("accuracy", "log-loss")])
print("sgd", abs(json.load(open("sgd.json"))["metrics"]["log-loss"]["value"] - want["bce"]["sgd"]) < 1e-6)
END
