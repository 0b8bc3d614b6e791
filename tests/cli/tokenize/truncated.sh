echo "call now to claim your free prize" | dscompress tokenize "$MODELS/hf/bert/base" --max-length 4
