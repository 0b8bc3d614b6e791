. "$SOURCE/tests/cli/tiny.sh"
train m.onnx --eval "$messages" -n --state s --json=r.json || exit
ls m.onnx s 2> /dev/null
python3 - <<'END'
import json
d = json.load(open("r.json"))
print(d["dry_run"], d["steps"], d["rows"], len(d["trained"]), sum(t["elements"] for t in d["trained"]) == d["trained_params"])
END
