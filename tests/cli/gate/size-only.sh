dscompress gate "$MODELS/hf/bert/cls" --max-size 97kB --max-params 22758 --json
