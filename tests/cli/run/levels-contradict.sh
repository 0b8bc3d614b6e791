dscompress run "$MODELS/onnx/dense.onnx" --inputs "$MODELS/onnx/dense.in.npz" --deterministic --cpu vnni
