dscompress export "$MODELS/onnx/dense.onnx" --target onnx --dtype q4_K -o w.onnx
