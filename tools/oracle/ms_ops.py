#!/usr/bin/env python3
"""Operators of com.microsoft through `dscompress run`, compared with ONNX Runtime: TAP on stdout.

    ms_ops.py --dscompress BIN

Outputs must be within 2e-6 + 1e-5 * |expected|, integers equal.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ATOL, RTOL, TIMEOUT_S = 2e-6, 1e-5, 60
RNG = np.random.default_rng(7)
B, S, H, HEADS = 2, 5, 12, 3


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def ints(below, *shape):
    return RNG.integers(0, below, shape).astype(np.int32)


def cases():
    """(name, operator, inputs in order: None, ("w", array) an initializer, or an array; number of
    outputs or their names; attributes)"""
    yield "Gelu", "Gelu", [floats(3, 7)], ["y"], {}
    yield "BiasGelu", "BiasGelu", [floats(2, 3, 7), ("w", floats(7))], ["y"], {}
    yield "FastGelu", "FastGelu", [floats(3, 7)], ["y"], {}
    yield "FastGelu bias", "FastGelu", [floats(3, 7), ("w", floats(7))], ["y"], {}
    x, skip, gain, shift, bias = floats(B, S, H), floats(B, S, H), floats(H), floats(H), floats(H)
    skip_ln = "SkipLayerNormalization"
    yield skip_ln, skip_ln, [x, skip, ("w", gain), ("w", shift)], ["y"], {"epsilon": 1e-5}
    yield skip_ln + " bias, sum", skip_ln, [x, skip, ("w", gain), ("w", shift), ("w", bias)], \
        ["y", "", "", "sum"], {}
    yield skip_ln + " no beta", skip_ln, [x, skip, ("w", gain)], ["y"], {}
    word, pos, seg = ("w", floats(20, H)), ("w", floats(9, H)), ("w", floats(2, H))
    ids, segments = ints(20, B, S), ints(2, B, S)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    norm = [("w", gain), ("w", shift)]
    embed = "EmbedLayerNormalization"
    yield embed, embed, [ids, segments, word, pos, seg] + norm + [mask], ["y", "m"], {"epsilon": 1e-5}
    yield embed + " no segments", embed, [ids, None, word, pos, None] + norm, ["y", "m"], {}
    yield embed + " positions, sum", embed, [ids, segments, word, pos, seg] + norm + [mask,
                                             ints(9, B, S)], ["y", "m", "sum"], {}
    w, b = ("w", floats(H, 3 * H)), ("w", floats(3 * H))
    n = {"num_heads": HEADS}
    yield "Attention", "Attention", [x, w, b], ["y"], n
    yield "Attention lengths", "Attention", [x, w, b, np.array([3, 5], np.int32)], ["y"], n
    yield "Attention mask", "Attention", [x, w, b, mask], ["y"], n
    mask3 = (RNG.random((B, S, S)) < 0.7).astype(np.int32)
    mask3[:, :, 0] = 1
    yield "Attention mask of pairs", "Attention", [x, w, b, mask3], ["y"], n
    yield "Attention unidirectional", "Attention", [x, w, b], ["y"], {**n, "unidirectional": 1}
    yield "Attention scale, filter", "Attention", [x, w, b, mask], ["y"], \
        {**n, "scale": 0.3, "mask_filter_value": -5.0}
    yield "Attention bias of scores", "Attention", [x, w, b, None, None, floats(B, HEADS, S, S)], \
        ["y"], n
    steps = floats(6, 1, 5)      # one row: ONNX Runtime may quantize states of several apart
    def codes(dtype, *shape):
        return ("w", RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape).astype(dtype))

    def scales(*shape):
        return ("w", (RNG.random(shape) * 0.01 + 0.002).astype(np.float32))
    for dirs, dtype, columns in ((1, np.int8, True), (2, np.int8, True), (1, np.uint8, False)):
        size = (dirs, 4 * H) if columns else (dirs,)
        zero = ("w", np.zeros(size, dtype) if columns else np.full(size, 120, dtype))
        yield f"DynamicQuantizeLSTM {dirs} {np.dtype(dtype)}", "DynamicQuantizeLSTM", \
            [steps, codes(dtype, dirs, 5, 4 * H), codes(dtype, dirs, H, 4 * H), ("w", floats(dirs, 8 * H)),
             None, floats(dirs, 1, H), floats(dirs, 1, H), None, scales(*size), zero, scales(*size), zero], \
            ["y", "yh", "yc"], {"hidden_size": H, "direction": "bidirectional" if dirs == 2 else "forward"}
    yield "Attention sizes", "Attention", [x, ("w", floats(H, 30)), ("w", floats(30))], ["y"], \
        {**n, "qkv_hidden_sizes": [12, 12, 6]}


def build(op, inputs, outputs, attributes):
    names, graph_in, inits, feed = [], [], [], {}
    for i, x in enumerate(inputs):
        names.append("" if x is None else f"in{i}")
        if isinstance(x, tuple):
            inits.append(numpy_helper.from_array(x[1], f"in{i}"))
        elif x is not None:
            kind = helper.np_dtype_to_tensor_dtype(x.dtype)
            graph_in.append(helper.make_tensor_value_info(f"in{i}", kind, x.shape))
            feed[f"in{i}"] = x
    node = helper.make_node(op, names, outputs, name="node", domain="com.microsoft", **attributes)
    kinds = [TensorProto.INT32 if o == "m" else TensorProto.FLOAT for o in outputs]
    graph_out = [helper.make_tensor_value_info(o, k, None) for o, k in zip(outputs, kinds) if o]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "g", graph_in, graph_out, inits)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), feed


def run_case(binary, op, inputs, outputs, attributes):
    """None, or what is wrong."""
    model, feed = build(op, inputs, outputs, attributes)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    want = dict(zip([o for o in outputs if o], session.run(None, feed)))
    with tempfile.TemporaryDirectory() as tmp:
        path, out = os.path.join(tmp, "m.onnx"), os.path.join(tmp, "out.npz")
        onnx.save(model, path)
        np.savez(os.path.join(tmp, "in.npz"), **feed)
        r = subprocess.run([binary, "run", path, "--inputs", os.path.join(tmp, "in.npz"), "-o", out],
                           capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace",
                           check=False)
        if r.returncode:
            return f"exit {r.returncode}: {r.stderr.strip()}"
        with np.load(out) as got:
            for name, w in want.items():
                g = got[name]
                if g.shape != w.shape or g.dtype != w.dtype:
                    return f"{name} is {g.dtype}{g.shape}, expected {w.dtype}{w.shape}"
                bad = np.abs(g - w) > (ATOL + RTOL * np.abs(w) if w.dtype == np.float32 else 0)
                if bad.any():
                    return f"{name}: {int(bad.sum())} of {w.size} differ, by {np.abs(g - w).max():.3g}"
    return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    a = p.parse_args()
    n, n_failed = 0, 0
    for name, *case in cases():
        fault = run_case(a.dscompress, *case)
        n += 1
        n_failed += fault is not None
        print(f"{'not ok' if fault else 'ok'} {n} - {name}")
        if fault:
            print("# " + fault.replace("\n", "\n# "))
    print(f"1..{n}")
    sys.exit(n_failed > 0)


if __name__ == "__main__":
    main()
