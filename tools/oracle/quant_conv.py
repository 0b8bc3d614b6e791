#!/usr/bin/env python3
"""Quantized convolutions against ONNX Runtime: TAP on stdout.

    quant_conv.py --dscompress BIN [--golden tests/golden]

The convolutions of tests/golden/torch are quantized (static, for ort): ONNX Runtime must run Conv as
QLinearConv, and give what `dscompress run` computes, but for steps of a code.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort

TIMEOUT_S = 120


def call(*args):
    r = subprocess.run(args, capture_output=True, text=True, timeout=TIMEOUT_S)
    if r.returncode:
        raise RuntimeError((r.stderr.strip() or f"exit {r.returncode}").splitlines()[0])


def check(binary, model, data, tmp):
    out, plan, got = (os.path.join(tmp, n) for n in ("int8.onnx", "plan.onnx", "got.npz"))
    call(binary, "quantize", model, "--method", "static", "--target", "ort", "--calib", data,
         "--smooth", "0", "-q", "-f", "-o", out)
    onnx.checker.check_model(onnx.load(out), full_check=True)
    options = ort.SessionOptions()
    options.optimized_model_filepath = plan
    session = ort.InferenceSession(out, options, providers=["CPUExecutionProvider"])
    ops = [n.op_type for n in onnx.load(plan).graph.node]
    n_convs = sum(n.op_type == "Conv" for n in onnx.load(out).graph.node)
    if n_convs < 4 or ops.count("QLinearConv") < n_convs - 1:  # one ends in Tanh, which has no codes
        return f"{ops.count('QLinearConv')} of {n_convs} convolutions are QLinearConv"
    x = {i.name: np.load(data)[i.name] for i in session.get_inputs()}
    inputs = os.path.join(tmp, "in.npz")
    np.savez(inputs, **x)
    call(binary, "run", out, "--inputs", inputs, "-f", "-o", got)
    for name, want in zip([o.name for o in session.get_outputs()], session.run(None, x)):
        worst = np.abs(np.load(got)[name] - want).max() / np.abs(want).max()
        if not worst <= 0.02:
            return f"{name} differs by {worst:.3g} of the largest"
    return ""


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--dscompress", required=True)
    a.add_argument("--golden", default="tests/golden")
    args = a.parse_args()
    n_bad = 0
    print("1..2")
    for i, exporter in enumerate(("ts", "dynamo"), 1):
        model, data = (os.path.join(args.golden, "torch", f"conv{n}")
                       for n in (f"_{exporter}.onnx", ".in.npz"))
        with tempfile.TemporaryDirectory() as tmp:
            try:
                fault = check(args.dscompress, model, data, tmp)
            except (RuntimeError, subprocess.TimeoutExpired, onnx.checker.ValidationError) as e:
                fault = str(e)
        n_bad += bool(fault)
        print(f"{'not ok' if fault else 'ok'} {i} - {exporter}" + (f": {fault}" if fault else ""), flush=True)
    sys.exit(n_bad > 0)


if __name__ == "__main__":
    main()
