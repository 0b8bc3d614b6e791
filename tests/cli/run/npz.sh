# outputs equal ONNX Runtime's
for name in dense functions; do
    dscompress run "$MODELS/onnx/$name.onnx" --inputs "$MODELS/onnx/dense.in.npz" -o $name.npz || exit
    python3 - $name "$MODELS/onnx/$name.out.npz" <<"END"
import struct, sys, zipfile
def read(path):
    raw = zipfile.ZipFile(path).read("y.npy")
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    return struct.unpack(f"<{(len(raw) - start) // 4}f", raw[start:])
a, b = read(sys.argv[1] + ".npz"), read(sys.argv[2])
print(sys.argv[1], len(a), max(abs(x - y) for x, y in zip(a, b)) < 1e-6)
END
done
