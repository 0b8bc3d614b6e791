. "$SOURCE/tests/cli/mlp.sh"
# a recipe, what it prints, and options on the line make the same file
cat > r.yaml <<"END"
train:
  epochs: 2
  lr: 1e-3
  batch: 16
  freeze: [fc1, kinds]
  schedule: cosine
  quiet: true
END
one() { out=$1; shift; dscompress train "$mlp/classes.onnx" --train "$mlp/classes.npz" -o $out "$@"; }
one a.onnx --recipe r.yaml > /dev/null || exit
dscompress train "$mlp/classes.onnx" --train "$mlp/classes.npz" --recipe r.yaml --print-recipe > again.yaml || exit
one b.onnx --recipe again.yaml > /dev/null || exit
one c.onnx --epochs 2 --lr 1e-3 --batch 16 --freeze fc1 --freeze kinds --schedule cosine -q > /dev/null || exit
one d.onnx -q --set epochs=2 --set lr=1e-3 --set batch=16 --set freeze=fc1 --set freeze=kinds --set schedule=cosine > /dev/null || exit
cmp a.onnx b.onnx && cmp a.onnx c.onnx && cmp a.onnx d.onnx && ls
