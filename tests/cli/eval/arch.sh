# weights of another file on a graph: verbs that take --arch read them as the model that they make
dscompress export "$MODELS/mlp/classes.onnx" --target hdf5 -o w.h5 -q > /dev/null &&
    dscompress prune "$MODELS/mlp/classes.onnx" --pattern unstructured --sparsity 0.9 -o other.onnx -q > /dev/null ||
    exit 99
for graph in "$MODELS/mlp/classes.onnx" "w.h5 --arch other.onnx"; do
    # shellcheck disable=SC2086
    dscompress eval $graph --data "$MODELS/mlp/classes.npz" --predictions p.jsonl -f > /dev/null &&
        dscompress quantize $graph --calib "$MODELS/mlp/classes.npz" --choose off -o q.onnx -f -q > /dev/null &&
        dscompress export q.onnx --target npz -o q.npz -f -q > /dev/null &&
        cat p.jsonl q.npz | sha256sum >> sums || exit 99
done
uniq sums | wc -l
dscompress inspect q.onnx --json | grep -c '\\"arch\\":\\"[0-9a-f]\{64\}\\"'
dscompress inspect q.onnx --json | grep -c dscompress.sparsity
dscompress eval other.onnx --arch other.onnx --data "$MODELS/mlp/classes.npz"
