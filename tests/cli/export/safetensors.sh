dscompress export "$MODELS/hf/bert/base" --target safetensors -o w.safetensors && dscompress inspect w.safetensors | head -n 1
