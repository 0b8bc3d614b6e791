# what is missing or has no part is said before anything is computed; no output is left
. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/classes.onnx
try() { dscompress prune "$@" -q -o p.onnx 2>&1 | head -n 1 | sed "s#$MODELS#MODELS#"; }
try "$m"
try "$m" --pattern unstructured
try "$m" --pattern unstructured --sparsity 1
try "$m" --pattern unstructured --sparsity 0
try "$m" --pattern unstructured --sparsity 1.5
try "$m" --pattern unstructured --sparsity 0.00001
try "$m" --pattern structured --sparsity 0.5
try "$m" --pattern 4:2
try "$m" --pattern 2:4 --sparsity 0.5
try "$m" --pattern 2:4 --scope global
try "$m" --pattern block:2 --sparsity 0.5
try "$m" --pattern 2:5
try "$m" --pattern 2:4 --include nowhere
try "$m" --pattern 2:4 --exclude .
try "$m" --pattern unstructured --sparsity 0.5 --importance taylor
try "$m" --pattern 2:4 --require-size small
try "$m" --pattern 2:4 --require-speedup fast
try nowhere.onnx --pattern 2:4
dscompress quantize "$m" --method dynamic -q -o q.onnx > /dev/null && try q.onnx --pattern 2:4
ls p.onnx 2> /dev/null
true
