# ids and tokens equal those of Hugging Face
for family in bert distilbert electra mpnet; do
    head -n 5 "$MODELS/hf/$family/tokens.jsonl" > texts.jsonl
    dscompress tokenize "$MODELS/hf/$family/base" --data texts.jsonl > got.jsonl || exit
    python3 - "$family" <<"END"
import json, sys
want = [json.loads(line) for line in open("texts.jsonl")]
got = [json.loads(line) for line in open("got.jsonl")]
print(sys.argv[1], len(got), all(w["ids"] == g["ids"] and w["tokens"] == g["tokens"]
                                 for w, g in zip(want, got)))
END
done
