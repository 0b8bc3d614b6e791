dscompress inspect "$MODELS/onnx/dense.onnx" --shapes x:5x3
