printf "text\tlabel\ncall now to claim\tspam\nsee you later\tham\nfree prize now\tspam\nok tonight\tham\nclaim your prize\tsmish\n" > t.tsv
M="$MODELS/hf/bert/cls"
for n in 1 2 3; do
    dscompress gate "$M" --baseline "$M" --data t.tsv --min accuracy=0.1 --max-drop accuracy=0.5 --confidence 0.9 -j $n --json > $n.json
done
cmp 1.json 2.json && cmp 1.json 3.json && [ -s 1.json ]
