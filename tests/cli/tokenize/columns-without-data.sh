dscompress tokenize "$MODELS/hf/bert/base" --columns text=a < /dev/null
