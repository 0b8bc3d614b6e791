printf "claim now\n\nfree prize!" | dscompress tokenize "$MODELS/hf/bert/base/vocab.txt"
