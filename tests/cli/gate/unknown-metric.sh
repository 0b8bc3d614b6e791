dscompress gate "$MODELS/hf/bert/cls" --min f2=0.5 --data x.tsv
