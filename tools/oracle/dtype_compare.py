#!/usr/bin/env python3
"""`dscompress export --dtype`, checked by onnx and run by ONNX Runtime: TAP on stdout.

    dtype_compare.py --dscompress BIN [--golden tests/golden]

Every export of tests/golden/torch and two Hugging Face folders become fp16, bf16 and f32. A file has
to pass onnx.checker, keep f32 inputs and outputs, run in ONNX Runtime and in dscompress, and stay
near the logits of the source with the same labels. A folder has to be loaded by transformers in the
type that its config names, with the source's weights rounded.
"""
import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort

NEAR = {"fp16": 1e-2, "bf16": 5e-2, "f32": 2e-6}
ORDER_OF_SUMS = 1e-5  # between two programs, in f32: 2.3e-6 was seen with OpenBLAS 0.3.26
MODELS = ("tiny_bert_ts", "tiny_bert_dynamo", "mlp_ts", "mlp_dynamo", "mixed_ts", "mixed_dynamo")
TIMEOUT_S = 60


def call(*args):
    r = subprocess.run(args, capture_output=True, text=True, timeout=TIMEOUT_S)
    if r.returncode:
        raise RuntimeError((r.stderr.strip() or f"exit {r.returncode}").splitlines()[0])


def session(path):
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"])


def check_graph(binary, golden, model, dtype, tmp):
    source = os.path.join(golden, "torch", model + ".onnx")
    inputs = os.path.join(golden, "torch", model.rsplit("_", 1)[0] + ".in.npz")
    out, npz = os.path.join(tmp, "out.onnx"), os.path.join(tmp, "out.npz")
    feeds = {k: v for k, v in np.load(inputs).items() if k != "label"}
    call(binary, "export", source, "--dtype", dtype, "-o", out, "-f")
    onnx.checker.check_model(onnx.load(out), full_check=True)
    want = session(source).run(None, feeds)[0]
    s = session(out)
    if any(t.type == "tensor(float16)" for t in s.get_inputs() + s.get_outputs()):
        return "an input or output is half"
    call(binary, "run", out, "--inputs", inputs, "-o", npz, "-f")
    for who, got, near in (("ONNX Runtime", s.run(None, feeds)[0], NEAR[dtype]),
                           ("dscompress", np.load(npz)["logits"], max(NEAR[dtype], ORDER_OF_SUMS))):
        worst = np.abs(got - want).max()
        if not worst <= near or (got.argmax(-1) != want.argmax(-1)).any():
            return f"{who}: logits differ by {worst:.3g}"
    return ""


def check_folder(binary, folder, dtype, tmp):
    import torch
    from transformers import AutoModelForSequenceClassification as Auto
    kinds = {"fp16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}
    out = os.path.join(tmp, dtype) + "/"
    call(binary, "export", folder, "--dtype", dtype, "-o", out)
    source = Auto.from_pretrained(folder, dtype=torch.float32).state_dict()
    model = Auto.from_pretrained(out, dtype="auto")
    for name, w in model.state_dict().items():
        if w.dtype != kinds[dtype] or not torch.equal(w, source[name].to(kinds[dtype])):
            return f"{name} is {w.dtype} or differs"
    return ""


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    p.add_argument("--golden", default=os.path.join(here, "..", "..", "tests", "golden"))
    a = p.parse_args()
    ort.set_default_logger_severity(3)
    checks = [(f"{m} {d}", check_graph, (a.dscompress, a.golden, m, d)) for m in MODELS for d in NEAR]
    for family in ("bert", "distilbert"):
        folder = os.path.join(a.golden, "hf", family, "cls")
        checks += [(f"{family} folder {d}", check_folder, (a.dscompress, folder, d)) for d in NEAR]
    has_torch = all(importlib.util.find_spec(m) for m in ("torch", "transformers"))
    n_failed = 0
    print(f"1..{len(checks)}")
    for n, (name, check, args) in enumerate(checks, 1):
        if check is check_folder and not has_torch:
            print(f"ok {n} - {name} # SKIP torch or transformers is not installed")
            continue
        with tempfile.TemporaryDirectory() as tmp:
            try:
                fault = check(*args, tmp)
            except Exception as e:                # the reason goes into the report
                fault = (str(e) or repr(e)).splitlines()[0]
        n_failed += bool(fault)
        print(f"{'not ok' if fault else 'ok'} {n} - {name}" + (f"\n# {fault}" if fault else ""))
    sys.exit(n_failed > 0)


if __name__ == "__main__":
    main()
