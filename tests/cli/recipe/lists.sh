. "$SOURCE/tests/cli/mlp.sh"
# lists of every kind, an option with and without a value, a flag that is taken back
cat > r.yaml <<"END"
eval:
  metric: [accuracy, log-loss]
  json: true
gate:
  min: [accuracy=0.9, f1-macro=0.9]
  max-size: 15MB
bench:
  batch: [1, 4]
  json: b.json
  force: true
  trace: t.json
END
dscompress eval "$mlp/classes.onnx" --data "$mlp/classes.npz" --recipe r.yaml | python3 -c "import json, sys; print(sorted(json.load(sys.stdin)['metrics']))" || exit
dscompress gate "$mlp/classes.onnx" --data "$mlp/classes.npz" --recipe r.yaml | tail -n 1 || exit
for taken_back in false true; do
    dscompress bench "$mlp/classes.onnx" --recipe r.yaml --set force=$taken_back --print-recipe | grep -E 'batch|force'
done
