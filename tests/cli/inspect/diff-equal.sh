dscompress inspect --diff "$MODELS/onnx/dense.onnx" "$MODELS/onnx/dense.onnx" || exit
dscompress export "$MODELS/hf/bert/base" -q --target safetensors -o w.safetensors > /dev/null
dscompress inspect --diff w.safetensors w.safetensors
