# offsets of the whole corpus, by all models, equal Hugging Face's (tests/golden/tokenizers)
python3 - <<"END"
import json, os
with open(os.environ["MODELS"] + "/tokenizers/corpus.jsonl") as f, open("t.jsonl", "w") as out:
    out.writelines(json.dumps({"text": json.loads(line)}) + "\n" for line in f)
END
printf '{"text":"a caf\\u00e9","text_b":" <mask> o\\u0302 x"}\n' > pair.jsonl
for name in wordpiece bytebpe roberta charbpe unigram t5; do
    dscompress tokenize "$MODELS/tokenizers/$name.json" --data t.jsonl --offsets > $name.jsonl || exit
    dscompress tokenize "$MODELS/tokenizers/$name.json" --data pair.jsonl --offsets > $name.pair || exit
done
python3 - <<"END"
import hashlib, json, os
want = json.load(open(os.environ["MODELS"] + "/tokenizers/offsets.json"))
for name, w in want.items():
    have = [json.loads(line)["offsets"] for line in open(name + ".jsonl")]
    line = json.dumps(have, separators=(",", ":"))
    pair = json.load(open(name + ".pair"))["offsets"]
    print(name, have[:len(w["shown"])] == w["shown"], pair == w["pair"],
          hashlib.sha256(line.encode()).hexdigest() == w["sha256"])
END
