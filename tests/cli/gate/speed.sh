printf "text\tlabel\ncall now to claim\tspam\nsee you later\tham\nfree prize now\tspam\nok tonight\tham\nclaim your prize\tsmish\n" > t.tsv
M="$MODELS/hf/bert/cls"
dscompress gate "$M" --baseline "$M" --data t.tsv --min-speedup 0.01
