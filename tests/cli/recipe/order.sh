. "$SOURCE/tests/cli/mlp.sh"
# the command line, then --set, then the recipe, then the default
cat > r.yaml <<"END"
epochs: 2
train:
  lr: 1e-3
  batch: 16
  freeze: [fc1, "2\\."]
END
dscompress train "$mlp/classes.onnx" --train "$mlp/classes.npz" --recipe r.yaml --set lr=2e-3 --set batch=8 --batch 4 --print-recipe | grep -E "^  (# )?(epochs|lr|batch|freeze|clip):"
