# whatever kernels OpenBLAS would choose, the same bytes
case $(dscompress doctor | sed -n 's/^level *//p') in
ref) echo "this processor has no avx2"; exit 77 ;;
esac
run() { dscompress run "$MODELS/onnx/dense.onnx" --inputs "$MODELS/onnx/dense.in.npz" --deterministic -o "$@"; }
OPENBLAS_CORETYPE=Sandybridge run a.npz && OPENBLAS_CORETYPE= run b.npz && env -u OPENBLAS_CORETYPE dscompress \
    run "$MODELS/onnx/dense.onnx" --inputs "$MODELS/onnx/dense.in.npz" --deterministic -o c.npz && cmp a.npz b.npz && cmp a.npz c.npz
