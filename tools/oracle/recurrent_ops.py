#!/usr/bin/env python3
"""LSTM, GRU and RNN through `dscompress run`, compared with ONNX Runtime: TAP on stdout.

    recurrent_ops.py --dscompress BIN [--golden tests/golden]

What the suite's node tests leave out: directions, layouts, lengths, states, activations with their
parameters, clip, coupled gates. Outputs must be within 2e-6 + 1e-5 * |expected|.

Then quantized files, run by both; ranges of states are rounded the same way but for ties: outputs
must be within 1 % of the largest, and of the float model within 5 %.

ONNX Runtime's LSTM does not read `layout`: those cases are compared with its layout 0, transposed.
Its ThresholdedRelu has alpha 0 where none is given, the operator's is 1: not compared.
"""
import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

ATOL, RTOL, TIMEOUT_S = 2e-6, 1e-5, 60
RNG = np.random.default_rng(11)
STEPS, BATCH, INPUTS, HIDDEN = 6, 3, 4, 5
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
LENS = np.array([6, 2, 4], np.int32)


def floats(*shape):
    return (0.5 * RNG.standard_normal(shape)).astype(np.float32)


def inputs(op, n_dirs, has_bias, has_lens, has_states, has_peepholes):
    g = GATES[op] * HIDDEN
    feed = {"x": 2 * floats(STEPS, BATCH, INPUTS), "w": floats(n_dirs, g, INPUTS),
            "r": floats(n_dirs, g, HIDDEN)}
    if has_bias:
        feed["b"] = floats(n_dirs, 2 * g)
    if has_lens:
        feed["lens"] = LENS
    if has_states:
        feed["h0"] = floats(n_dirs, BATCH, HIDDEN)
        if op == "LSTM":
            feed["c0"] = floats(n_dirs, BATCH, HIDDEN)
    if has_peepholes:
        feed["p"] = floats(n_dirs, 3 * HIDDEN)
    return feed


def cases():
    """(name, operator, feed, attributes)"""
    directions = {"forward": 1, "reverse": 1, "bidirectional": 2}
    for op, (direction, n), full in itertools.product(GATES, directions.items(), (False, True)):
        for layout in (0, 1):
            yield f"{op} {direction}{' with all inputs' if full else ''}, layout {layout}", op, \
                inputs(op, n, full, full, full, full and op == "LSTM"), \
                {"direction": direction, "layout": layout}
    for n, direction in ((1, "reverse"), (2, "bidirectional")):
        yield f"GRU linear_before_reset {direction}", "GRU", inputs("GRU", n, True, True, True, False), \
            {"linear_before_reset": 1, "direction": direction}
        yield f"LSTM input_forget {direction}", "LSTM", inputs("LSTM", n, True, True, True, True), \
            {"input_forget": 1, "direction": direction}
    for op in GATES:
        yield f"{op} clip", op, inputs(op, 1, True, False, True, op == "LSTM"), {"clip": 0.4}
    plain = ["Relu", "Tanh", "Sigmoid", "Softsign", "Softplus", "LeakyRelu", "HardSigmoid", "Elu"]
    for a in plain:
        yield f"RNN {a}", "RNN", inputs("RNN", 1, True, False, True, False), {"activations": [a]}
    with_params = [(a, [0.3], []) for a in ("LeakyRelu", "ThresholdedRelu", "Elu")]
    with_params += [(a, [0.7], [0.4]) for a in ("Affine", "ScaledTanh", "HardSigmoid")]
    for a, alpha, beta in with_params:
        more = {"activation_beta": beta} if beta else {}
        yield f"RNN {a} with parameters", "RNN", inputs("RNN", 1, True, False, True, False), \
            {"activations": [a], "activation_alpha": alpha, **more}
    yield "LSTM activations of two directions", "LSTM", inputs("LSTM", 2, True, True, True, False), \
        {"direction": "bidirectional",
         "activations": ["Sigmoid", "LeakyRelu", "Tanh", "HardSigmoid", "Tanh", "ScaledTanh"],
         "activation_alpha": [0.2, 0.3, 0.8], "activation_beta": [0.6, 1.1]}
    yield "GRU activations", "GRU", inputs("GRU", 1, True, False, True, False), \
        {"activations": ["HardSigmoid", "Softsign"]}


def build(op, feed, attributes, outputs):
    order = ["x", "w", "r", "b", "lens", "h0", "c0", "p"][:8 if op == "LSTM" else 6]
    names = [n if n in feed else "" for n in order]
    while not names[-1]:
        names.pop()
    node = helper.make_node(op, names, outputs, hidden_size=HIDDEN, **attributes)
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
         for n, a in feed.items()],
        [helper.make_tensor_value_info(o, 1, None) for o in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def transposed(arrays):
    """Between layouts: X, Y [T,..,B,..] to batch first; states [D,B,H] to [B,D,H]."""
    axes = {"x": (1, 0, 2), "y": (2, 0, 1, 3)}
    return {n: a if n in ("w", "r", "b", "lens", "p") else a.transpose(axes.get(n, (1, 0, 2)))
            for n, a in arrays.items()}


def run_case(binary, op, feed, attributes):
    """None, or what is wrong."""
    outputs = ["y", "yh", "yc"] if op == "LSTM" else ["y", "yh"]
    time_first = build(op, feed, {k: v for k, v in attributes.items() if k != "layout"}, outputs)
    session = ort.InferenceSession(time_first.SerializeToString(), providers=["CPUExecutionProvider"])
    want = dict(zip(outputs, session.run(None, feed)))
    if attributes.get("layout"):
        feed, want = transposed(feed), transposed(want)
    with tempfile.TemporaryDirectory() as tmp:
        path, out = os.path.join(tmp, "m.onnx"), os.path.join(tmp, "out.npz")
        onnx.save(build(op, feed, attributes, outputs), path)
        np.savez(os.path.join(tmp, "in.npz"), **feed)
        r = subprocess.run([binary, "run", path, "--inputs", os.path.join(tmp, "in.npz"), "-o", out],
                           capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace",
                           check=False)
        if r.returncode:
            return f"exit {r.returncode}: {r.stderr.strip()}"
        with np.load(out) as got:
            for name, w in want.items():
                if got[name].shape != w.shape:
                    return f"{name} is {got[name].shape}, expected {w.shape}"
                diff = np.abs(got[name] - w)
                if (diff > ATOL + RTOL * np.abs(w)).any():
                    return f"{name}: differs by {diff.max():.3g} of {np.abs(w).max():.3g}"
    return None


def run_quantized(binary, golden, method, target, tmp):
    """None, or what is wrong with a quantized file of PyTorch's LSTM, GRU and RNN."""
    source = os.path.join(golden, "torch", "recurrent_ts.onnx")
    path, data, out = (os.path.join(tmp, n) for n in ("q.onnx", "in.npz", "out.npz"))
    x = np.load(os.path.join(golden, "torch", "recurrent.in.npz"))["x"]
    np.savez(data, x=x)
    more = ["--calib", data] if method == "static" else []
    r = subprocess.run([binary, "quantize", source, "--method", method, "--target", target, "-f", "-q",
                        "-o", path, *more], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if r.returncode:
        return r.stderr.strip()
    ops = {n.op_type for n in onnx.load(path).graph.node}
    if ("DynamicQuantizeLSTM" in ops) != (method == "dynamic" and target == "ort"):
        return f"the file has {sorted(ops)}"
    want = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    plain = ort.InferenceSession(source, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    r = subprocess.run([binary, "run", path, "--inputs", data, "-f", "-o", out], capture_output=True,
                       text=True, timeout=TIMEOUT_S, check=False)
    if r.returncode:
        return r.stderr.strip()
    got = np.load(out)["logits"]
    for name, other, part in (("ONNX Runtime", want, 0.01), ("the float model", plain, 0.05)):
        worst = np.abs(got - other).max() / np.abs(other).max()
        if not worst <= part:
            return f"differs from {name} by {worst:.3g} of the largest"
    return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    p.add_argument("--golden", default="tests/golden")
    a = p.parse_args()
    n, n_failed = 0, 0
    runs = [(name, lambda c=case: run_case(a.dscompress, *c)) for name, *case in cases()]
    tmp = tempfile.mkdtemp(prefix="dsc-recurrent-")
    runs += [(f"{method} for {target}", lambda m=method, t=target: run_quantized(
        a.dscompress, a.golden, m, t, tmp))
             for method, target in (("static", "generic"), ("dynamic", "generic"), ("dynamic", "ort"))]
    for name, run in runs:
        fault = run()
        n += 1
        n_failed += fault is not None
        print(f"{'not ok' if fault else 'ok'} {n} - {name}")
        if fault:
            print("# " + fault.replace("\n", "\n# "))
    print(f"1..{n}")
    shutil.rmtree(tmp)
    sys.exit(n_failed > 0)


if __name__ == "__main__":
    main()
