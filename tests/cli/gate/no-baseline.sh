dscompress gate "$MODELS/hf/bert/cls" --max-drop f1=0.01 --data x.tsv
