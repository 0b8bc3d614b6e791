dscompress run m.onnx --device tpu
