dscompress gate nothing.onnx --max-size 1GB
