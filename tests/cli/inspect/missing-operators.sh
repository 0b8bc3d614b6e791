dscompress inspect "$MODELS/onnx/missing.onnx"
