#!/usr/bin/env python3
"""Write offsets.json: what Hugging Face's library says of the offsets of corpus.jsonl.

    python gen_offsets.py

Per tokenizer: the offsets of the first 24 texts, of a pair, and the sha256 of those of all texts
(as JSON without spaces). tokenizers 0.23.3.
"""
import hashlib
import json
import os

from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
N_SHOWN = 24


def main():
    with open(os.path.join(HERE, "corpus.jsonl")) as f:
        texts = [json.loads(line) for line in f]
    out = {}
    for name in ("wordpiece", "bytebpe", "roberta", "charbpe", "unigram", "t5"):
        t = Tokenizer.from_file(os.path.join(HERE, name + ".json"))
        t.no_truncation()
        t.no_padding()
        all_of = [e.offsets for e in t.encode_batch(texts)]
        line = json.dumps(all_of, separators=(",", ":"))
        out[name] = {"shown": all_of[:N_SHOWN], "sha256": hashlib.sha256(line.encode()).hexdigest(),
                     "pair": t.encode("a caf\u00e9", " <mask> o\u0302 x").offsets}
    with open(os.path.join(HERE, "offsets.json"), "w") as f:
        json.dump(out, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
