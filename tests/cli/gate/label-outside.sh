printf "text\tlabel\na\tham\nb\teggs\n" > t.tsv
dscompress gate "$MODELS/hf/bert/cls" --min accuracy=0.5 --data t.tsv
