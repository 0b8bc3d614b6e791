# a model of Gemm and Softmax on the GPU equals ONNX Runtime's outputs, twice with the same bytes
[ -e "$CUDA_MODULE" ] || { echo "no CUDA module was built"; exit 77; }
export DSCOMPRESS_CUDA_MODULE="$CUDA_MODULE"
dscompress doctor | grep -q '^cuda.* [1-9][0-9]* devices' || { echo "there is no GPU"; exit 77; }
for out in first second; do
    dscompress run "$MODELS/onnx/dense.onnx" --inputs "$MODELS/onnx/dense.in.npz" --device cuda -o $out.npz || exit
done
cmp first.npz second.npz || exit
python3 - first.npz "$MODELS/onnx/dense.out.npz" <<"END"
import struct, sys, zipfile
def read(path):
    raw = zipfile.ZipFile(path).read("y.npy")
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    return struct.unpack(f"<{(len(raw) - start) // 4}f", raw[start:])
a, b = read(sys.argv[1]), read(sys.argv[2])
sys.exit(len(a) != len(b) or max(abs(x - y) for x, y in zip(a, b)) > 1e-6)
END
