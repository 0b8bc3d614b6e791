dscompress run "$MODELS/onnx/dense.onnx" --inputs "$MODELS/onnx/dense.set" -o out/ && dscompress run "$MODELS/onnx/dense.onnx" --inputs out
