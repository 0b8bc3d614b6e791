printf "now\nhello \377 now\n" | dscompress tokenize "$MODELS/hf/bert/base"
