head -c 200 "$MODELS/onnx/dense.onnx" > cut.onnx; dscompress run cut.onnx --inputs "$MODELS/onnx/dense.in.npz" -o out.npz; code=$?; [ -e out.npz ] && echo left; exit $code
