. "$SOURCE/tests/cli/mlp.sh"
for m in classes binary values; do
    names=$(python3 -c "import json, sys; print(','.join(json.load(open(sys.argv[1]))[sys.argv[2]]))" "$mlp/mlp.json" $m)
    dscompress eval "$mlp/$m.onnx" --data "$mlp/$m.npz" --metric "$names" --json > $m.json || exit
done
python3 - "$mlp/mlp.json" <<"END"
import json, sys
want = json.load(open(sys.argv[1]))
for m in ("classes", "binary", "values"):
    got = json.load(open(m + ".json"))["metrics"]
    for name, value in want[m].items():
        far = abs(got[name]["value"] - value)
        print(m, name, "equal" if far < 1e-7 else f"{got[name]['value']} not {value}")
END
