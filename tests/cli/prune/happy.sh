. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/classes.onnx
dscompress prune "$m" --pattern unstructured --sparsity 0.5 -o half.onnx || exit
dscompress prune "$m" --pattern unstructured --sparsity 0.5 --scope global --include kinds -n -o no.onnx || exit
ls no.onnx 2> /dev/null
dscompress prune "$m" --pattern 2:4 --exclude fc1 -o nm.onnx || exit
dscompress prune nm.onnx --pattern block:3x4 --sparsity 0.25 --include out -j 1 -o both.onnx || exit
dscompress prune nm.onnx --pattern block:3x4 --sparsity 0.25 --include out -j 3 -o again.onnx -q > /dev/null
cmp both.onnx again.onnx && echo "same bytes"
dscompress inspect both.onnx | grep sparsity
dscompress eval half.onnx --data "$mlp/classes.npz" --metric accuracy | head -n 2
