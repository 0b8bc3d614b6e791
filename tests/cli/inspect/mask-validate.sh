dscompress inspect "$MODELS/onnx/mask.onnx" --validate
