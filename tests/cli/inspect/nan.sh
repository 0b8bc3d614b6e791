dscompress inspect "$MODELS/onnx/nan.onnx"
