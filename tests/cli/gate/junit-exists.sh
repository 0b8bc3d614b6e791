printf "text\tlabel\ncall now to claim\tspam\nsee you later\tham\nfree prize now\tspam\nok tonight\tham\nclaim your prize\tsmish\n" > t.tsv
M="$MODELS/hf/bert/cls"
echo mine > j.xml; dscompress gate "$M" --max-size 1GB --junit j.xml > /dev/null; code=$?; cat j.xml; exit $code
