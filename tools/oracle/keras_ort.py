#!/usr/bin/env python3
"""Keras models as ONNX files in ONNX Runtime, against what Keras computed (tests/golden/keras): TAP on stdout.

    keras_ort.py --dscompress BIN --golden tests/golden
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime as ort

TOL = 1e-5


def worst(program, path, folder):
    """The largest difference of an output, relative to it where it is more than 1."""
    out = os.path.join(folder, "m.onnx")
    subprocess.run([program, "export", path, "-f", "-q", "-o", out], check=True, stdout=subprocess.DEVNULL)
    rows = np.load(os.path.splitext(path)[0] + ".npz")
    got = ort.InferenceSession(out, providers=["CPUExecutionProvider"]).run(
        None, {k[3:]: rows[k] for k in rows if k.startswith("in.")})
    want = [rows[f"out{i}"] for i in range(len(got))]
    return max(float(np.max(np.abs(g - w) / np.maximum(1, np.abs(w)))) for g, w in zip(got, want))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    p.add_argument("--golden", required=True)
    o = p.parse_args()
    models = sorted(glob.glob(os.path.join(o.golden, "keras", "*.keras")) +
                    glob.glob(os.path.join(o.golden, "keras", "*.h5")))
    n_bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for i, path in enumerate(models):
            d = worst(o.dscompress, path, folder)
            n_bad += not d <= TOL
            print(f"{'ok' if d <= TOL else 'not ok'} {i + 1} - {os.path.basename(path)}: {d:.1e}")
    print(f"1..{len(models)}")
    return 1 if n_bad or not models else 0


sys.exit(main())
