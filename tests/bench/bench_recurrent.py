#!/usr/bin/env python3
"""LSTM, GRU and RNN beside ONNX Runtime, one thread, alternately: medians of whole runs.

    tests/bench/bench_recurrent.py DSCOMPRESS [ROUNDS]

Models are one recurrent operator on batch-first sequences with drawn weights, made in a temporary
folder. ROUNDS (5) times `dscompress bench` and ONNX Runtime's run take turns; the least of the
medians is printed for each, and how many times ours is as fast.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# operator, steps, batch, inputs, hidden units
CASES = [("LSTM", 32, 1, 32, 64), ("LSTM", 32, 64, 32, 64), ("LSTM", 100, 1, 128, 256),
         ("LSTM", 100, 16, 128, 256), ("GRU", 32, 64, 32, 64), ("GRU", 100, 16, 128, 256),
         ("RNN", 100, 16, 128, 256)]


def build(path, op, steps, inputs, hidden):
    rng = np.random.default_rng(1)
    k, g = hidden ** -0.5, GATES[op] * hidden
    weights = [numpy_helper.from_array(rng.uniform(-k, k, shape).astype(np.float32), name)
               for name, shape in (("w", (1, g, inputs)), ("r", (1, g, hidden)), ("b", (1, 2 * g)))]
    more = {"linear_before_reset": 1} if op == "GRU" else {}
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
             helper.make_node(op, ["t", "w", "r", "b"], ["ys"], hidden_size=hidden, **more),
             helper.make_node("Squeeze", ["ys", "one"], ["s"]),
             helper.make_node("Transpose", ["s"], ["y"], perm=[1, 0, 2])]
    weights.append(numpy_helper.from_array(np.array([1]), "one"))
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["n", steps, inputs])],
                              [helper.make_tensor_value_info("y", 1, ["n", steps, hidden])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def peer_ms(path, x, n=20):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    session.run(None, {"x": x})
    times = []
    for _ in range(n):
        start = time.perf_counter()
        session.run(None, {"x": x})
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def our_ms(binary, path, batch):
    done = subprocess.run([binary, "bench", path, "--batch", str(batch), "--threads", "1", "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["rows"][0]["latency_ms"]["p50"]


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        for op, steps, batch, inputs, hidden in CASES:
            path = os.path.join(folder, "m.onnx")
            build(path, op, steps, inputs, hidden)
            x = rng.standard_normal((batch, steps, inputs)).astype(np.float32)
            both = [(our_ms(binary, path, batch), peer_ms(path, x)) for _ in range(rounds)]
            ours, peer = min(a for a, _ in both), min(b for _, b in both)
            print(f"{op:4} T {steps:3} B {batch:2} I {inputs:3} H {hidden:3}: {ours:8.3f} ms, "
                  f"ONNX Runtime {peer:8.3f} ms, {peer / ours:.2f}x")


if __name__ == "__main__":
    main()
