#!/usr/bin/env python3
"""Models on tables against ONNX Runtime and scikit-learn: TAP on stdout.

    table_models.py --dscompress BIN [--golden tests/golden]

The models of tests/golden/mlp are quantized in every way on their rows, and pruned. Each file has to pass
onnx.checker and run in ONNX Runtime; at least 99.5 % of its labels there (of a value: all within
2 % of the range) are those of `dscompress eval --predictions`, and the metrics of eval are what
scikit-learn says of these predictions.
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
from sklearn import metrics

MODELS = ("classes", "binary", "values")
WAYS = {"float": None, "static": ("--calib",), "static-plain": ("--calib", "--smooth", "0"),
        "dynamic": ("--method", "dynamic"), "w8": ("--method", "weight-only"),
        "w4": ("--calib", "--method", "weight-only", "--scheme", "w4"),
        "w4-ort": ("--calib", "--method", "weight-only", "--scheme", "w4", "--target", "ort"),
        "qat": ("--train", "--method", "qat", "--epochs", "2"),
        "w3": ("--train", "--method", "qat", "--scheme", "w3a8", "--act-quantizer", "lsq+"),
        "w2": ("--train", "--method", "qat", "--scheme", "w2a8", "--act-quantizer", "pact"),
        "w2-lsq": ("--train", "--method", "qat", "--scheme", "w2a8", "--weight-quantizer", "lsq"),
        "w1": ("--train", "--method", "qat", "--scheme", "w1a8"),
        "half": ("prune", "--pattern", "unstructured", "--sparsity", "0.5"),
        "1:4": ("prune", "--pattern", "1:4")}
AGREE, NEAR, TIMEOUT_S = 0.995, 0.02, 60


def call(*args):
    r = subprocess.run(args, capture_output=True, text=True, timeout=TIMEOUT_S)
    if r.returncode:
        raise RuntimeError((r.stderr.strip() or f"exit {r.returncode}").splitlines()[-1])
    return r.stdout


def quantized(binary, source, data, way, out):
    words = [w for word in way for w in ((word, data) if word in ("--calib", "--train") else (word,))]
    verb = () if words[0] == "prune" else ("quantize",)
    call(binary, *verb, *words, source, "-q", "-f", "-o", out)
    return out


def check(binary, golden, model, way, tmp):
    source, data = (os.path.join(golden, "mlp", model + end) for end in (".onnx", ".npz"))
    path = quantized(binary, source, data, WAYS[way], os.path.join(tmp, "q.onnx")) if WAYS[way] else source
    names = "mse,pearson" if model == "values" else "accuracy,f1-macro,log-loss"
    lines = os.path.join(tmp, "p.jsonl")
    got = json.loads(call(binary, "eval", path, "--data", data, "--metric", names, "--predictions", lines,
                          "--batch", "300", "-f", "--json"))["metrics"]
    said = [json.loads(line) for line in open(lines)]
    onnx.checker.check_model(onnx.load(path), full_check=True)
    rows = dict(np.load(data))
    y = rows.pop("label")
    out = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, rows)[0]
    p = np.array([s["prediction"] for s in said])
    if model == "values":
        worst = np.abs(out[:, 0] - p).max() / np.ptp(out)
        if worst > NEAR:
            return f"values differ by {worst:.3g} of the range"
        want = {"mse": metrics.mean_squared_error(y, p), "pearson": np.corrcoef(y, p)[0, 1]}
    else:
        label = out.argmax(1) if out.shape[1] > 1 else (out[:, 0] > 0).astype(int)
        if (label == p).mean() < AGREE:
            return f"{(label != p).sum()} of {len(p)} labels differ"
        prob = np.array([s["probabilities"] for s in said])
        want = {"accuracy": metrics.accuracy_score(y, p), "f1-macro": metrics.f1_score(y, p, average="macro"),
                "log-loss": metrics.log_loss(y, prob)}
    for name, value in want.items():
        if not abs(got[name]["value"] - value) < 1e-9:
            return f"{name} {got[name]['value']}, scikit-learn {value}"
    return ""


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--dscompress", required=True)
    a.add_argument("--golden", default="tests/golden")
    args = a.parse_args()
    n_bad = n = 0
    print(f"1..{len(MODELS) * len(WAYS)}")
    for model in MODELS:
        for way in WAYS:
            n += 1
            with tempfile.TemporaryDirectory() as tmp:
                try:
                    fault = check(args.dscompress, args.golden, model, way, tmp)
                except (RuntimeError, subprocess.TimeoutExpired, ort.capi.onnxruntime_pybind11_state.Fail) as e:
                    fault = str(e)
            n_bad += bool(fault)
            print(f"{'not ok' if fault else 'ok'} {n} - {model} {way}" + (f": {fault}" if fault else ""), flush=True)
    sys.exit(n_bad > 0)


if __name__ == "__main__":
    main()
