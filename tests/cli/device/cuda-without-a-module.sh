DSCOMPRESS_CUDA_MODULE=$PWD/none.so dscompress run "$SOURCE/tests/golden/onnx/$(ls "$SOURCE/tests/golden/onnx" | grep 'onnx$' | head -n 1)" --device cuda
