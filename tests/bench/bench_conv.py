#!/usr/bin/env python3
"""Convolutions and pools beside ONNX Runtime, alternately: medians of whole runs.

    tests/bench/bench_conv.py DSCOMPRESS [THREADS [ROUNDS [MATCH]]]
    tests/bench/bench_conv.py --int8 DSCOMPRESS [THREADS [ROUNDS]]

Models are one operator on drawn weights, made in a temporary folder; each is run on one image and on
four. ROUNDS (5) times `dscompress bench` and ONNX Runtime's run take turns; the least of the medians
is printed for each, and how many times ours is as fast. --int8: three convolutions 3x3 64->64 56x56
with Relu, and a head, in fp32 and as `quantize` writes them.
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

# name, operator, channels, filters, image, kernel, attributes
CASES = [
    ("2D 3x3 64->64 56x56", "Conv", 64, 64, [56, 56], [3, 3], {"pads": [1] * 4}),
    ("2D 3x3 256->256 14x14", "Conv", 256, 256, [14, 14], [3, 3], {"pads": [1] * 4}),
    ("2D 1x1 256->64 28x28", "Conv", 256, 64, [28, 28], [1, 1], {}),
    ("2D 7x7/2 3->64 224x224", "Conv", 3, 64, [224, 224], [7, 7], {"pads": [3] * 4, "strides": [2, 2]}),
    ("2D depthwise 3x3 128 56x56", "Conv", 128, 128, [56, 56], [3, 3], {"pads": [1] * 4, "group": 128}),
    ("1D 5 64->128 1000", "Conv", 64, 128, [1000], [5], {"pads": [2, 2]}),
    ("1D 25/4 1->32 16000", "Conv", 1, 32, [16000], [25], {"strides": [4]}),
    ("3D 3x3x3 32->32 32x32x32", "Conv", 32, 32, [32, 32, 32], [3, 3, 3], {"pads": [1] * 6}),
    ("2D transposed 2x2/2 64->32 28x28", "ConvTranspose", 64, 32, [28, 28], [2, 2], {"strides": [2, 2]}),
    ("3D transposed 3x3x3/2 32->16 16^3", "ConvTranspose", 32, 16, [16] * 3, [3, 3, 3],
     {"strides": [2] * 3, "pads": [1] * 6, "output_padding": [1] * 3}),
    ("max 3x3/2 64 112x112", "MaxPool", 64, 0, [112, 112], [3, 3], {"strides": [2, 2], "pads": [1] * 4}),
    ("mean 2x2/2 64 56x56", "AveragePool", 64, 0, [56, 56], [2, 2], {"strides": [2, 2]}),
]


def build(path, op, channels, filters, image, kernel, attrs):
    rng = np.random.default_rng(1)
    weights, inputs = [], ["x"]
    if filters:
        shape = [filters, channels // attrs.get("group", 1)]
        shape = [channels, filters] if op == "ConvTranspose" else shape
        scale = (shape[1] * np.prod(kernel)) ** -0.5
        weights = [numpy_helper.from_array((scale * rng.standard_normal(shape + kernel)).astype(np.float32), "w"),
                   numpy_helper.from_array(rng.standard_normal(filters).astype(np.float32), "b")]
        inputs += ["w", "b"]
    graph = helper.make_graph([helper.make_node(op, inputs, ["y"], kernel_shape=kernel, **attrs)], "g",
                              [helper.make_tensor_value_info("x", 1, ["n", channels] + image)],
                              [helper.make_tensor_value_info("y", 1, None)], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def build_chain(path):
    rng = np.random.default_rng(1)
    weights, nodes, x = [], [], "x"
    for i in range(3):
        weights += [numpy_helper.from_array((rng.standard_normal((64, 64, 3, 3)) / 24).astype(np.float32), f"w{i}"),
                    numpy_helper.from_array(0.1 * rng.standard_normal(64).astype(np.float32), f"b{i}")]
        nodes += [helper.make_node("Conv", [x, f"w{i}", f"b{i}"], [f"c{i}"], kernel_shape=[3, 3], pads=[1] * 4),
                  helper.make_node("Relu", [f"c{i}"], [f"r{i}"])]
        x = f"r{i}"
    weights.append(numpy_helper.from_array(rng.standard_normal((64, 3)).astype(np.float32), "head"))
    nodes += [helper.make_node("GlobalAveragePool", [x], ["g"]), helper.make_node("Flatten", ["g"], ["f"]),
              helper.make_node("MatMul", ["f", "head"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["n", 64, 56, 56])],
                              [helper.make_tensor_value_info("y", 1, ["n", 3])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def peer_ms(path, x, threads, n=20):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    warm = time.perf_counter()
    while time.perf_counter() - warm < 0.3:
        session.run(None, {"x": x})
    times = []
    for _ in range(n):
        start = time.perf_counter()
        session.run(None, {"x": x})
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def our_ms(binary, path, batch, threads):
    done = subprocess.run([binary, "bench", path, "--batch", str(batch), "--threads", str(threads), "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["rows"][0]["latency_ms"]["p50"]


def compare_int8(binary, threads, rounds):
    x = np.random.default_rng(2).standard_normal((32, 64, 56, 56)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        plain, int8, rows = (os.path.join(folder, n) for n in ("fp32.onnx", "int8.onnx", "rows.npz"))
        build_chain(plain)
        np.savez(rows, x=x, label=np.arange(32) % 3)
        subprocess.run([binary, "quantize", plain, "--calib", rows, "--smooth", "0", "--target", "ort", "-q", "-o", int8],
                       check=True, capture_output=True)
        for path in (plain, int8):
            both = [(our_ms(binary, path, 1, threads), peer_ms(path, x[:1], threads)) for _ in range(rounds)]
            ours, peer = min(a for a, _ in both), min(b for _, b in both)
            print(f"{os.path.basename(path)[:4]}, 3 convolutions: {ours:8.3f} ms, ONNX Runtime {peer:8.3f} ms, "
                  f"{peer / ours:.2f}x", flush=True)


def main():
    if sys.argv[1:2] == ["--int8"]:
        args = dict(enumerate(sys.argv[1:]))
        compare_int8(args[1], int(args.get(2, 1)), int(args.get(3, 5)))
        return
    args = dict(enumerate(sys.argv))
    binary, threads, rounds = args[1], int(args.get(2, 1)), int(args.get(3, 5))
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        for name, op, channels, filters, image, kernel, attrs in CASES:
            if args.get(4, "") not in name:
                continue
            path = os.path.join(folder, "m.onnx")
            build(path, op, channels, filters, image, kernel, attrs)
            for batch in (1, 4):
                x = rng.standard_normal([batch, channels] + image).astype(np.float32)
                both = [(our_ms(binary, path, batch, threads), peer_ms(path, x, threads))
                        for _ in range(rounds)]
                ours, peer = min(a for a, _ in both), min(b for _, b in both)
                print(f"{name:34} B {batch}: {ours:8.3f} ms, ONNX Runtime {peer:8.3f} ms, "
                      f"{peer / ours:.2f}x", flush=True)


if __name__ == "__main__":
    main()
