dscompress run m.onnx --device cuda:x
