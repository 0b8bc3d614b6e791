printf "a\nb\nc\n" | dscompress tokenize "$MODELS/hf/bert/base" --limit 2 | wc -l
