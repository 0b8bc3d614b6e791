echo mine > t.json
dscompress bench "$MODELS/hf/bert/cls" --batch 1 --length 8 --trace t.json > /dev/null
code=$?; cat t.json; exit $code
