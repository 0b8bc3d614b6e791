printf "text\tlabel\ncall now to claim\tspam\nsee you later\tham\nfree prize now\tspam\nok tonight\tham\nclaim your prize\tsmish\n" > t.tsv
M="$MODELS/hf/bert/cls"
dscompress gate "$M" --baseline "$M" --data t.tsv --min accuracy=0.2 --confidence 0.95 --json | sed "s/.*\"low\":\([^,]*\),.*/low \1/"
dscompress gate "$M" --data t.tsv --min accuracy=0.2 --confidence 0.95
