echo "call now" | dscompress tokenize "$MODELS/hf/bert/base" --max-length 1
