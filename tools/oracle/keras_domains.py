#!/usr/bin/env python3
"""A real Keras 2.2.4 file (dgaintel: malicious domains) against Keras: TAP on stdout.

    keras_domains.py --dscompress BIN      (DSC_ASSETS: the folder of tools/fetch-assets)

The probabilities are those of Keras 3.15.1 (torch) with the weights of the file, which it does not load
itself any more: Embedding(39, 128), Conv1D(128, 3, same, relu), MaxPooling1D(2, same), LSTM(64), Dense(1,
sigmoid).
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np

WANT = {"google.com": 1.4475391e-03, "wjdhqiuwhdqkjw.net": 9.9966025e-01, "wikipedia.org": 4.6862796e-04,
        "qzxkvbnmwplkj.biz": 9.9988854e-01, "stackoverflow.com": 4.7995537e-04, "a-b_c.io": 1.8958558e-04}
LETTERS, LENGTH, TOL = "-.0123456789_abcdefghijklmnopqrstuvwxyz", 82, 1e-5


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    program = p.parse_args().dscompress
    model = os.path.join(os.environ.get("DSC_ASSETS", ""), "dgaintel.h5")
    if not os.path.exists(model):
        print("1..0 # SKIP dgaintel.h5 is not there (tools/fetch-assets)")
        return 0
    ids = np.zeros((len(WANT), LENGTH), "int32")
    for row, domain in zip(ids, WANT):
        row[:len(domain)] = [LETTERS.index(c) for c in domain]
    with tempfile.TemporaryDirectory() as folder:
        into, out = os.path.join(folder, "in.npz"), os.path.join(folder, "out.npz")
        np.savez(into, domain_input=ids)
        r = subprocess.run([program, "run", model, "--inputs", into, "-o", out], capture_output=True, text=True)
        got = np.load(out)["dense_4"][:, 0] if r.returncode == 0 else np.full(len(WANT), np.nan)
    for line in r.stderr.splitlines():
        print("# " + line)
    n_bad = 0
    for i, (domain, want) in enumerate(WANT.items()):
        is_good = abs(got[i] - want) <= TOL
        n_bad += not is_good
        print(f"{'ok' if is_good else 'not ok'} {i + 1} - {domain}: {got[i]:.7f}, Keras {want:.7f}")
    print(f"1..{len(WANT)}")
    return 1 if n_bad else 0


sys.exit(main())
