dscompress bench "$MODELS/hf/bert/cls" --batch 1 --length 8 --trace t.json > /dev/null || exit 1
python3 - <<"END"
import json
e = json.load(open("t.json"))["traceEvents"]
print(len(e) > 20, all(x["ph"] == "X" and x["dur"] >= 0 for x in e))
print(all(a["ts"] + a["dur"] <= b["ts"] + 1 for a, b in zip(e, e[1:])))
END
