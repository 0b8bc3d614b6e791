printf "text\tlabel\na\tham\nb\tspam\n" > t.tsv
dscompress gate "$MODELS/hf/bert/cls" --min f1=0.5 --data t.tsv
