. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null && dscompress eval m.onnx --data "$messages" --split 70/10/20 --part test --metric f1,accuracy,mcc,roc-auc --json > r.json || exit
python3 - <<"END"
import json
d = json.load(open("r.json"))
m = d["metrics"]
print(d["schema"], d["n"], sorted(m), all(v["low"] <= v["value"] <= v["high"] for v in m.values()), d["examples_per_s"] > 0)
END
