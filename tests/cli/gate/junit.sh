printf "text\tlabel\ncall now to claim\tspam\nsee you later\tham\nfree prize now\tspam\nok tonight\tham\nclaim your prize\tsmish\n" > t.tsv
M="$MODELS/hf/bert/cls"
dscompress gate "$M" --data t.tsv --min accuracy=0.9 --max-size 1GB --junit j.xml > /dev/null; code=$?
python3 - <<"END"
import xml.etree.ElementTree as E
s = E.parse("j.xml").getroot()[0]
print(s.get("tests"), s.get("failures"), [(c.get("name"), [x.tag for x in c]) for c in s])
END
exit $code
