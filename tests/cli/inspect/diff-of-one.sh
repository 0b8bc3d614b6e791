dscompress inspect --diff "$MODELS/onnx/dense.onnx"
