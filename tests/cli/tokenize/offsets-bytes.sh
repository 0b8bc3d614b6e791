printf 'caf\303\251 X\n' | dscompress tokenize "$MODELS/hf/sentence-mean" --offsets
