. "$SOURCE/tests/cli/mlp.sh"
for m in binary values; do
    dscompress quantize "$mlp/$m.onnx" --calib "$mlp/$m.npz" --sensitivity=$m.json --json > /dev/null || exit
done
python3 - <<"END"
import json
for m in ("binary", "values"):
    d = json.load(open(m + ".json"))
    print(m, d["n"], [r["name"] for r in d["layers"]], all(r["formats"][0]["damage"] > 0 for r in d["layers"]))
END
