dscompress tokenize "$MODELS/hf/bert/base" --data x.tsv --part dev
