dscompress doctor model.onnx
