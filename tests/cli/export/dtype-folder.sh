dscompress export "$MODELS/hf/bert/cls" --dtype fp16 -o half/ && grep dtype half/config.json || exit
dscompress inspect half/model.safetensors --tensors="classifier.*"
