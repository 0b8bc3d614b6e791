printf "now \377\n" | dscompress tokenize "$MODELS/hf/bert/base" --encoding-errors replace
