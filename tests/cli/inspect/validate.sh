dscompress inspect "$MODELS/onnx/dense.onnx" --validate
