#!/usr/bin/env python3
"""Vocabularies made smaller, against Hugging Face's tokenizers and ONNX Runtime: TAP on stdout.

    prune_vocab.py --dscompress BIN [--golden tests/golden]

The tokenizer.json in a pruned file is opened by the tokenizers library: its ids have to be those of
`dscompress tokenize` on texts that were not in the data, too. Texts of the data have the tokens they
had, and the model gives in ONNX Runtime what the source gives. With DSC_ASSETS the real MiniLM is
one of the models, on SMS messages.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from tokenizers import Tokenizer

TOL, TIMEOUT_S = 1e-5, 300


def call(*args, text=None):
    r = subprocess.run(args, capture_output=True, text=True, timeout=TIMEOUT_S, input=text)
    if r.returncode:
        raise RuntimeError((r.stderr.strip() or f"exit {r.returncode}").splitlines()[0])
    return r.stdout


def tokenizer_of(path):
    props = {p.key: p.value for p in onnx.load(path).metadata_props}
    tok = Tokenizer.from_str(props["dscompress.tokenizer"])
    tok.no_padding()
    tok.no_truncation()
    return tok


def ids_of(binary, path, texts, tmp):
    rows = os.path.join(tmp, "rows.jsonl")
    with open(rows, "w") as f:
        f.writelines(json.dumps({"text": t}) + "\n" for t in texts)
    out = call(binary, "tokenize", path, "--data", rows, "--max-length", "100000", "-q")
    return [json.loads(line)["ids"] for line in out.splitlines()]


def run(path, ids):
    s = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    ids = np.array([ids], np.int64)
    feeds = {i.name: ids if "ids" in i.name and "type" not in i.name else
             np.ones_like(ids) if "mask" in i.name else np.zeros_like(ids) for i in s.get_inputs()}
    return s.run(None, feeds)[0]


def check(binary, model, used, others, longest, tmp):
    plain, out = os.path.join(tmp, "source.onnx"), os.path.join(tmp, "pruned.onnx")
    rows = os.path.join(tmp, "used.jsonl")
    with open(rows, "w") as f:
        f.writelines(json.dumps({"text": t}) + "\n" for t in used)
    call(binary, "export", model, "-q", "-f", "-o", plain)
    report = json.loads(call(binary, "prune", plain, "--pattern", "vocab", "--data", rows, "-q",
                             "-f", "--json", "-o", out))
    if report["tokens_after"] >= report["tokens_before"] or report["rows_changed"]:
        return f"{report['tokens_after']} tokens, {report['rows_changed']} rows changed"
    old, new = tokenizer_of(plain), tokenizer_of(out)
    if new.get_vocab_size() != report["tokens_after"]:
        return f"the library sees {new.get_vocab_size()} tokens"
    for text, ids in zip(used + others, ids_of(binary, out, used + others, tmp)):
        if ids != new.encode(text).ids:
            return f"other ids than the library's: {text!r}"
    for text in used:
        if old.encode(text).tokens != new.encode(text).tokens:
            return f"other tokens than before: {text!r}"
    for text in used[:20]:
        a, b = old.encode(text).ids[:longest], new.encode(text).ids[:longest]
        want = run(plain, a)
        worst = np.abs(want - run(out, b)).max() / np.abs(want).max()
        if not worst <= TOL:
            return f"values differ by {worst:.3g} of the largest: {text!r}"
    return ""


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [line.split("\t")[0] for line in f][1:]


def models(golden):
    small = ["free prize now", "see you at home later", "claim it, or else!"]
    others = ["freedom of speech", "zebra \u6f22 \U0001F600", "prizes seen"]
    for name in ("bert/base", "roberta/base", "xlm-roberta/base", "mpnet/base", "sentence-cls"):
        yield name, os.path.join(golden, "hf", name), small, others, 30
    assets = os.environ.get("DSC_ASSETS") or "/nonexistent"
    if os.path.isdir(os.path.join(assets, "minilm")):
        sms, movie = lines(os.path.join(assets, "sms.tsv")), lines(os.path.join(assets, "movie.tsv"))
        yield "minilm", os.path.join(assets, "minilm"), sorted(set(sms))[:1500], movie[:1500], 128


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--dscompress", required=True)
    a.add_argument("--golden", default="tests/golden")
    args = a.parse_args()
    cases = list(models(args.golden))
    n_bad = 0
    print(f"1..{len(cases)}")
    for i, (name, *case) in enumerate(cases, 1):
        with tempfile.TemporaryDirectory() as tmp:
            try:
                fault = check(args.dscompress, *case, tmp)
            except (RuntimeError, subprocess.TimeoutExpired) as e:
                fault = str(e)
        n_bad += bool(fault)
        print(f"{'not ok' if fault else 'ok'} {i} - {name}" + (f": {fault}" if fault else ""), flush=True)
    sys.exit(n_bad > 0)


if __name__ == "__main__":
    main()
