# a bar that is missed is exit 1 and leaves what was there
. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/classes.onnx
echo mine > p.onnx
p() { dscompress prune "$m" --pattern unstructured --sparsity 0.5 -q -f -o p.onnx "$@"; }
p --require-size 50% > out 2>&1; echo $?; tail -n 1 out | sed 's/[0-9][0-9]* bytes/N bytes/; s/most [0-9]*/most N/'; cat p.onnx
p --require-speedup 1000 > out 2>&1; echo $?; grep -c 'CHECK' out; cat p.onnx
p --require-size 200% --require-speedup 0.001 --json > out 2> err; echo $?
python3 -c '
import json
r = json.load(open("out"))
print(r["schema"], r["sparsity"], r["params_before"], r["params_after"], r["nonzero_after"], r["size_bytes"] > 0)
print(r["latency_ms_before"] > 0, r["latency_ms_after"] > 0, r["speedup"] > 0)
for t in r["tensors"]:
    print(t["name"], t["shape"], t["pattern"], t["elements"], t["zeros"], t["why"])'
