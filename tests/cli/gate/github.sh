printf "text\tlabel\ncall now to claim\tspam\nsee you later\tham\nfree prize now\tspam\nok tonight\tham\nclaim your prize\tsmish\n" > t.tsv
M="$MODELS/hf/bert/cls"
dscompress gate "$M" --data t.tsv --min accuracy=0.9 --max-size 1GB --format github
