dscompress run "$MODELS/onnx/missing.onnx" --inputs "$MODELS/onnx/dense.in.npz"
