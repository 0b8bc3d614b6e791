dscompress inspect "$MODELS/onnx/dense.onnx" --tensors=nothing
