printf "call now\nto claim" | dscompress tokenize "$MODELS/hf/bert/base" --json
