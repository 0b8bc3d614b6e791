touch out.npz; dscompress run "$MODELS/onnx/dense.onnx" --inputs "$MODELS/onnx/dense.in.npz" -o out.npz
