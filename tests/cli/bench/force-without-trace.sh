dscompress bench "$MODELS/hf/bert/cls" --length 8 --batch 1 -f
