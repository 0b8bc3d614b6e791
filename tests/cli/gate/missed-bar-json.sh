printf "text\tlabel\ncall now to claim\tspam\nsee you later\tham\nfree prize now\tspam\nok tonight\tham\nclaim your prize\tsmish\n" > t.tsv
M="$MODELS/hf/bert/cls"
dscompress gate "$M" --data t.tsv --min accuracy=0.9,f1-macro=0.05 --json > out.json; code=$?
python3 - <<"END"
import json
d = json.load(open("out.json"))
print(d["schema"], d["pass"], d["n"], [(c["name"], c["pass"]) for c in d["checks"]])
END
exit $code
