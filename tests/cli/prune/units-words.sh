# what cannot be removed is said with its reason; no output is left
. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/binary.onnx
try() { dscompress prune "$@" -q -o p.onnx 2>&1 | head -n 1 | sed "s#$MODELS#MODELS#"; }
try "$m" --pattern ffn
try "$m" --pattern ffn --sparsity 0.01
try "$m" --pattern heads --sparsity 0.5
try "$m" --pattern ffn --sparsity 0.5 --exclude .
try "$m" --pattern ffn --sparsity 0.5 --include nowhere
try "$MODELS/torch/tiny_bert_ts.onnx" --pattern heads --sparsity 0.5
dscompress prune "$MODELS/hf/sentence-cls" --pattern ffn --sparsity 0.5 -q -o p/ 2>&1
dscompress prune "$m" --pattern ffn --sparsity 0.5 --exclude ^0.weight -n -o p.onnx
ls p.onnx p 2> /dev/null
true
