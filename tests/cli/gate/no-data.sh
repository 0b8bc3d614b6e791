dscompress gate "$MODELS/hf/bert/cls" --min accuracy=0.5
