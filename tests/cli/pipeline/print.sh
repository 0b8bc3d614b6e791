# --print-recipe: every option, and where it comes from; what is printed is a recipe that does the same
. "$SOURCE/tests/cli/mlp.sh"
cat > r.yaml <<END
seed: 3
quantize:
  smooth: 0.5
stages:
- quantize:
    args: [$mlp/classes.onnx]
    calib: $mlp/classes.npz
    observer: mse
    output: q.onnx
- eval: {name: test, data: $mlp/classes.npz, metric: [accuracy, log-loss]}
END
dscompress pipeline r.yaml --set quantize.observer=minmax -q --print-recipe | tee full.yaml | grep -v '^    #' | sed "s|$mlp/||"
dscompress pipeline r.yaml --set quantize.observer=minmax -q > a.txt; mv q.onnx a.onnx && dscompress pipeline full.yaml > b.txt; cmp a.onnx q.onnx && echo the same
