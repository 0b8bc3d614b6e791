dscompress inspect "$MODELS/onnx/dense.onnx" --flops
