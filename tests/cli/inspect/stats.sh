dscompress inspect "$MODELS/onnx/dense.onnx" --tensors="w*" --stats
