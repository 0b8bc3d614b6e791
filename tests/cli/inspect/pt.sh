dscompress export "$MODELS/pt/state.pt" --target safetensors -o w.safetensors &&
    dscompress inspect --diff "$MODELS/pt/state.pt" w.safetensors &&
    dscompress inspect "$MODELS/pt/script.pt" --tensors
