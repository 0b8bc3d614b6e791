dscompress inspect "$MODELS/onnx/dense.onnx" "$MODELS/onnx/dense.onnx"
