printf "text\ttext_b\nclaim\tprize\n" | dscompress tokenize "$MODELS/hf/bert/base" --data -
