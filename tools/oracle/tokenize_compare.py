#!/usr/bin/env python3
"""Compare `dscompress tokenize` with Hugging Face's library, live.

    tokenize_compare.py --dscompress BIN [--texts N] [--seed S] [--tap] [TOKENIZER.json ...]

Without files: those of tests/golden (tokenizers and hf) and, where DSC_ASSETS has it, MiniLM's,
which also gets the lines of the SMS and movie assets. Texts are random: words of many scripts,
characters of all planes, added tokens. Exit 0 when all ids and offsets are equal, else 1.
"""
import argparse
import glob
import json
import os
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RANGES = [(0x20, 0x7F), (0, 0x20), (0x7F, 0x250), (0x300, 0x370), (0x370, 0x780), (0x900, 0xE80),
          (0x1100, 0x1200), (0x1AB0, 0x1B00), (0x1DC0, 0x2070), (0x2070, 0x2800), (0x3000, 0x3400),
          (0x4E00, 0xA000), (0xAC00, 0xD7A4), (0xF900, 0x10000), (0x1F000, 0x1FB00),
          (0x10000, 0x20000), (0x20000, 0x110000)]


def random_texts(n, seed, added):
    rng = random.Random(seed)
    with open(os.path.join(ROOT, "tests/golden/tokenizers/corpus.jsonl")) as f:
        known = [json.loads(line) for line in f]
    words = sorted({w for text in known for w in text.split(" ")}) + 5 * added
    texts = []
    for i in range(n):
        if i % 2:
            texts.append(rng.choice([" ", "", "  ", "\n", "\u00a0"]).join(
                rng.choice(words) for _ in range(rng.randint(1, 20))))
        else:
            picks = rng.sample(RANGES, rng.randint(1, 3))
            cps = [rng.randrange(*rng.choice(picks)) for _ in range(rng.randint(0, 40))]
            texts.append("".join(chr(c) for c in cps if not 0xD800 <= c < 0xE000))
    return texts


def asset_texts(folder):
    texts = []
    for name in ("sms.tsv", "movie.tsv"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8", newline="\n") as f:
                texts += [line.rstrip("\n") for line in f]
    return texts


def ours(binary, path, texts):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
        f.writelines(json.dumps({"text": t}) + "\n" for t in texts)
        f.flush()
        out = subprocess.run([binary, "tokenize", path, "--offsets", "--data", f.name],
                             stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in out.stdout.decode().split("\n") if line]


def is_same(text, have, want):
    """Ids and offsets; the bytes must say the same as the characters where neither is empty."""
    raw = text.encode()
    for (lo, hi), (byte_lo, byte_hi) in zip(have["offsets"], have["bytes"]):
        if lo < hi and byte_lo < byte_hi and raw[byte_lo:byte_hi].decode(errors="replace") != text[lo:hi]:
            return False
    return have["ids"] == want.ids and [tuple(o) for o in have["offsets"]] == want.offsets


def differences(binary, path, texts):
    """Texts whose ids or offsets differ, as (text, ours, theirs)."""
    oracle = Tokenizer.from_file(path)
    oracle.no_truncation()
    oracle.no_padding()
    have = ours(binary, path, texts)
    if len(have) != len(texts):
        return [("%d texts gave %d lines" % (len(texts), len(have)), None, None)]
    return [(t, list(zip(h["ids"], h["offsets"])), list(zip(e.ids, e.offsets)))
            for t, h, e in zip(texts, have, oracle.encode_batch(texts)) if not is_same(t, h, e)]


def files():
    golden = os.path.join(ROOT, "tests", "golden")
    names = ("wordpiece", "bytebpe", "roberta", "charbpe", "unigram", "t5")
    paths = [os.path.join(golden, "tokenizers", n + ".json") for n in names]
    paths += sorted(glob.glob(os.path.join(golden, "hf", "*", "base", "tokenizer.json")))
    minilm = os.path.join(os.environ.get("DSC_ASSETS", ""), "minilm", "tokenizer.json")
    return paths + ([minilm] if os.path.exists(minilm) else [])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    p.add_argument("--texts", type=int, default=2000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--tap", action="store_true")
    p.add_argument("paths", nargs="*")
    args = p.parse_args()
    paths, n_bad = args.paths or files(), 0
    if args.tap:
        print("1..%d" % len(paths))
    for i, path in enumerate(paths, 1):
        with open(path, encoding="utf-8") as f:
            added = [a["content"] for a in json.load(f).get("added_tokens", [])]
        texts = random_texts(args.texts, args.seed, added)
        if path.endswith("minilm/tokenizer.json"):
            texts += asset_texts(os.environ["DSC_ASSETS"])
        bad = differences(args.dscompress, path, texts)
        n_bad += len(bad)
        name = os.path.relpath(path, ROOT) if path.startswith(ROOT) else os.path.basename(path)
        print("%s%s: %d texts, %d differ" % (("not ok %d " if bad else "ok %d ") % i
                                             if args.tap else "", name, len(texts), len(bad)))
        for text, have, want in bad[:3]:
            print("# %s\n#   ours   %s\n#   theirs %s" % (ascii(text), have, want))
    return 1 if n_bad and not args.tap else 0


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
