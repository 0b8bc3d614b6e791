# the residual stream becomes narrower, with its norms; what it is made of trains on and is quantized
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress prune m.onnx --pattern hidden --sparsity 0.25 -q -o p.onnx --json=p.json || exit
grep -o '"units":32,"removed":8' p.json
dscompress inspect p.onnx --tensors | grep -o 'word_embeddings.weight.*\]\|layer.1.*LayerNorm.weight.*\]\|layer.1.*self.query.weight.*\]\|classifier.weight.*\]' | tr -s ' '
dscompress prune m.onnx --pattern hidden --sparsity 0.25 --importance taylor --train "$messages" --epochs 1 -q -o t.onnx > /dev/null || exit
dscompress eval t.onnx --data "$messages" -q > /dev/null && echo trained
dscompress quantize p.onnx --calib "$messages" -q -o q.onnx > /dev/null && echo quantized
dscompress prune m.onnx --pattern hidden --sparsity 0.25 --exclude classifier -q -o x.onnx
dscompress prune "$MODELS/hf/bert/base" --pattern hidden --sparsity 0.25 -q -o x.onnx
dscompress prune "$MODELS/mlp/classes.onnx" --pattern hidden --sparsity 0.25 -q -o x.onnx
