dscompress inspect "$MODELS/onnx/dense.onnx" --shapes x:5x4 --json
