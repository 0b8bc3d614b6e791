dscompress inspect nothing.onnx
