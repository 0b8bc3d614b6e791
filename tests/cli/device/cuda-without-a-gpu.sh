# the module that this build made, on a machine without a driver
[ -e "$CUDA_MODULE" ] || { echo "no CUDA module was built"; exit 77; }
DSCOMPRESS_CUDA_MODULE=$CUDA_MODULE dscompress doctor | grep -q 'CUDA driver version is insufficient' || { echo "there is a driver"; exit 77; }
DSCOMPRESS_CUDA_MODULE=$CUDA_MODULE dscompress run "$SOURCE/tests/golden/onnx/$(ls "$SOURCE/tests/golden/onnx" | grep 'onnx$' | head -n 1)" --device cuda
