# the first stage that fails ends it, with its exit status and its place; a check that fails is exit 1
. "$SOURCE/tests/cli/mlp.sh"
cat > r.yaml <<END
stages:
- quantize: {args: [$mlp/classes.onnx], calib: $mlp/classes.npz, output: q.onnx}
- gate: {data: $mlp/classes.npz, min: [accuracy=0.5]}
- gate:
    name: strict
    data: $mlp/classes.npz
    min: [accuracy=0.999]
- eval: {data: $mlp/classes.npz}
END
dscompress pipeline r.yaml -q --state st > out 2> err
echo $?
grep -c '^gate: PASS' out
grep '^\[' out | cut -d: -f1
sed 's/^.*error: //' err
dscompress pipeline r.yaml -q --state st --json > j.json 2> err
python3 -c '
import json
j = json.load(open("j.json"))
print([(s["name"], s["outcome"]) for s in j["stages"]], j["error"]["class"])'
dscompress pipeline r.yaml -q --state st --set strict.min=accuracy=0.5 > out && grep '^\[' out | cut -d: -f1
