dscompress run "$MODELS/onnx/dense.onnx" --inputs "$MODELS/onnx/dense.out.npz"
