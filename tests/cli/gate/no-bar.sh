dscompress gate "$MODELS/hf/bert/cls"
