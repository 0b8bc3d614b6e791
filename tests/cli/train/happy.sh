. "$SOURCE/tests/cli/tiny.sh"
train m.onnx --eval "$messages" --json=r.json > /dev/null || exit
python3 - <<"END"
import json
d = json.load(open("r.json"))
print(d["schema"], d["steps"], 0 <= d["metrics"]["f1"] <= 1, d["examples_per_s"] > 0)
END
