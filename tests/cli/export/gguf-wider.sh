dscompress export "$MODELS/hf/bert/base" --target gguf --dtype q4_K -o w.gguf && dscompress inspect w.gguf
