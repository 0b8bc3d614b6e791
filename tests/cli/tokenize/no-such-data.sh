dscompress tokenize "$MODELS/hf/bert/base" --data no.tsv
