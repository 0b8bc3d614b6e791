yes "free prize" | head -n 5000 | dscompress tokenize "$MODELS/hf/bert/base" > /dev/full
