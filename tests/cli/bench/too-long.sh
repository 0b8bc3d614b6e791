dscompress bench "$MODELS/hf/bert/cls" --length 100000
