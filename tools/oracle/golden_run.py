#!/usr/bin/env python3
"""Run the golden models of tests/golden through `dscompress run` and compare: TAP on stdout.

    golden_run.py --dscompress BIN [--golden DIR]

torch/: PyTorch's exports; hf/: Hugging Face directories, each with two batches. Outputs must be
within 2e-5 + 1e-4 * |expected|; rows of masked positions are not compared. A model whose operators
are not all in the table is skipped with that reason.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

ATOL, RTOL, TIMEOUT_S = 2e-5, 1e-4, 60


def cases(golden):
    """(name, model, inputs, expected outputs)"""
    for path in sorted(glob.glob(os.path.join(golden, "torch", "*.onnx"))):
        stem = re.sub(r"_(ts|dynamo)$", "", path[:-len(".onnx")])
        if os.path.exists(stem + ".in.npz"):  # the others are trained, not run
            yield os.path.relpath(path, golden), path, stem + ".in.npz", stem + ".out.npz"
    for path in sorted(glob.glob(os.path.join(golden, "hf", "**", "*.in.npz"), recursive=True)):
        model, batch = path[:-len(".in.npz")].rsplit(".", 1)
        yield f"{os.path.relpath(model, golden)} {batch}", model, path, path[:-len("in.npz")] + "out.npz"
        if model.endswith(os.path.join("bert", "base")):
            sharded = os.path.join(golden, "hf", "bert-sharded")
            if os.path.dirname(model).endswith(os.sep + "bert"):
                yield f"hf/bert-sharded {batch}", sharded, path, path[:-len("in.npz")] + "out.npz"


def difference(want, got, mask):
    for name in want.files:
        if name not in got.files:
            return f"no output '{name}', but {', '.join(got.files)}"
        w, g = want[name], got[name]
        if w.shape != g.shape or w.dtype != g.dtype:
            return f"{name} is {g.dtype}{list(g.shape)}, expected {w.dtype}{list(w.shape)}"
        if mask is not None and w.ndim == 3:
            w, g = w[mask == 1], g[mask == 1]
        bad = ~(np.abs(w - g) <= ATOL + RTOL * np.abs(w))
        if bad.any():
            return f"{name}: {int(bad.sum())} of {w.size} differ, by up to {np.abs(w - g).max():.3g}"
    return None


def run_case(binary, model, inputs, expected):
    """('ok' | 'not ok' | 'skip', detail)"""
    with tempfile.TemporaryDirectory() as tmp:
        with np.load(inputs) as z:
            arrays = {k: z[k] for k in z.files if k != "label"}
        feed, out = os.path.join(tmp, "in.npz"), os.path.join(tmp, "out.npz")
        np.savez(feed, **arrays)
        r = subprocess.run([binary, "run", model, "--inputs", feed, "-o", out], capture_output=True,
                           text=True, timeout=TIMEOUT_S, errors="replace", check=False)
        if r.returncode:
            line = (r.stderr.strip().splitlines() or ["nothing on stderr"])[0]
            missing = re.search(r"not supported: (operator .*) \[UNSUPPORTED\]", line)
            return ("skip", missing.group(1)) if missing else ("not ok", f"exit {r.returncode}: {line}")
        with np.load(expected) as want, np.load(out) as got:
            if "sentence_embedding" in want.files and "sentence_embedding" not in got.files:
                return "skip", "the graph of a sentence-transformers directory has no pooled output"
            fault = difference(want, got, arrays.get("attention_mask"))
        return ("not ok", fault) if fault else ("ok", "")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    p.add_argument("--golden", default=os.path.join(here, "..", "..", "tests", "golden"))
    a = p.parse_args()
    n, n_failed = 0, 0
    for name, model, inputs, expected in cases(a.golden):
        status, detail = run_case(a.dscompress, model, inputs, expected)
        n += 1
        n_failed += status == "not ok"
        print(f"{'ok' if status == 'skip' else status} {n} - {name}"
              + (f" # SKIP {detail}" if status == "skip" else ""))
        if status == "not ok":
            print(f"# {detail}")
    print(f"1..{n}")
    sys.exit(n_failed > 0)


if __name__ == "__main__":
    main()
