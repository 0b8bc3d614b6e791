dscompress inspect "$MODELS/hf/bert-sharded/model.safetensors.index.json"
