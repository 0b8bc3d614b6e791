dscompress run "$MODELS/onnx/dense.onnx"
