#!/usr/bin/env python3
"""What ONNX Runtime and OpenVINO make of weights of few bits, spelling by spelling (docs/adr/0007).

    few_bits.py          needs numpy, onnx, onnxruntime, openvino

One layer [5,64] x [64,32] and one lookup; prints what loads, the largest error, and what runs.
"""
import os
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

R = np.random.default_rng(0)
M, K, N = 5, 64, 32
X = R.normal(size=(M, K)).astype(np.float32)
S = R.uniform(.01, .1, N).astype(np.float32)
SX, ZX = np.float32(.03), np.uint8(128)
XQ = (np.clip(np.rint(X / SX) + 128, 0, 255) - 128) * SX
W = R.integers(-1, 2, (N, K))
IDS = R.integers(0, N, 7)


def narrow(name, kind, codes, bits):
    per = 8 // bits
    c = (codes.reshape(-1) & ((1 << bits) - 1)).reshape(-1, per)
    t = T(name=name, data_type=kind, dims=codes.shape)
    t.raw_data = sum(c[:, i] << (bits * i) for i in range(per)).astype(np.uint8).tobytes()
    return t


def arr(**named):
    return [nh.from_array(np.asarray(v), k) for k, v in named.items()]


def words(codes, n_levels, n, low):
    c = np.concatenate([codes - low, np.zeros((N, -K % n), int)], 1).reshape(N, -1, n)
    book = np.array([[i // n_levels ** j % n_levels + low for j in range(n)] for i in range(n_levels ** n)], np.int8)
    return (c * n_levels ** np.arange(n)).sum(-1).astype(np.uint8), book


def report(name, nodes, inits, feeds, want, opset, is_ms=False):
    kind = T.INT64 if "i" in feeds else T.FLOAT
    dims = ["n"] if "i" in feeds else ["m", K]
    key = next(iter(feeds))
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info(key, kind, dims)],
                         [h.make_tensor_value_info("y", T.FLOAT, None)], inits)
    ops = [h.make_opsetid("", opset)] + ([h.make_opsetid("com.microsoft", 1)] if is_ms else [])
    m = h.make_model(graph, opset_imports=ops, ir_version=13 if opset >= 25 else 10)
    with tempfile.TemporaryDirectory() as tmp:
        path, opt = os.path.join(tmp, "m.onnx"), os.path.join(tmp, "o.onnx")
        onnx.save(m, path)
        said = []
        try:
            so = ort.SessionOptions()
            so.optimized_model_filepath, so.log_severity_level = opt, 4
            y = ort.InferenceSession(path, so, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
            said.append(f"ORT off by {np.abs(y - want).max():.1e}, {[n.op_type for n in onnx.load(opt).graph.node]}")
        except Exception as e:
            said.append("ORT: " + str(e).splitlines()[0][-90:])
        try:
            c = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            said.append(f"OpenVINO off by {np.abs(list(c(feeds).values())[0] - want).max():.1e}")
        except Exception as e:
            said.append("OpenVINO: " + str(e).strip().splitlines()[-1][-60:])
    print(f"{name}\n    " + "\n    ".join(said))


def node(op, ins, out, **attrs):
    return h.make_node(op, ins.split(), [out], **attrs)


def main():
    plain = X @ (W * S[:, None]).T
    quantized = XQ @ (W * S[:, None]).T
    acts = [node("QuantizeLinear", "x sx zx", "q"), node("DequantizeLinear", "q sx zx", "xd")]
    bias = [node("DequantizeLinear", "b sb", "bd", axis=0)]
    common = arr(s=S, sx=SX, zx=ZX, b=np.zeros(N, np.int32), sb=SX * S)
    report("int2, opset 25", [node("DequantizeLinear", "w s", "wd", axis=0), node("Gemm", "x wd", "y", transB=1)],
           [narrow("w", T.INT2, W, 2)] + arr(s=S), {"x": X}, plain, 25)
    report("int2, opset 25, u8 activations",
           acts + bias + [node("DequantizeLinear", "w s zw", "wd", axis=0), node("Gemm", "xd wd bd", "y", transB=1)],
           [narrow("w", T.INT2, W, 2), narrow("zw", T.INT2, np.zeros(N, int), 2)] + common, {"x": X}, quantized, 25)
    for bits in (2, 1):
        w = W if bits == 2 else np.where(W < 0, -1, 0)
        report(f"MatMulNBits, bits {bits}",
               [h.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=K, N=N, bits=bits,
                            block_size=K)],
               [nh.from_array(np.frombuffer(narrow("w", T.UINT8, w + (1 << (bits - 1)), bits).raw_data, np.uint8)
                              .reshape(N, 1, -1), "w")] + arr(s=S), {"x": X}, X @ (w * S[:, None]).T, 21, True)
    scale = R.uniform(.01, .1, K).astype(np.float32)
    report("Gather of int2 rows", [node("Gather", "w i", "r"), node("DequantizeLinear", "r s", "y", axis=-1)],
           [narrow("w", T.INT2, W, 2)] + arr(s=scale), {"i": IDS}, (W * scale)[IDS], 25)
    packed = np.frombuffer(narrow("w", T.UINT8, W + 2, 2).raw_data, np.uint8).reshape(N, -1)
    report("bytes, BitShift, BitwiseAnd",
           [node("Gather", "w i", "r"), node("Unsqueeze", "r ax", "r1"),
            node("BitShift", "r1 sh", "r2", direction="RIGHT"), node("BitwiseAnd", "r2 mask", "r3"),
            node("Reshape", "r3 shape", "r4"), node("DequantizeLinear", "r4 s z", "y", axis=-1)],
           arr(w=packed, ax=np.array([-1]), sh=np.array([0, 2, 4, 6], np.uint8), mask=np.array([3], np.uint8),
               shape=np.array([-1, K]), s=scale, z=np.full(K, 2, np.uint8)), {"i": IDS}, (W * scale)[IDS], 21)
    w, book = words(W, 3, 5, -1)
    look = [node("Cast", "w", "wi", to=T.INT32), node("Gather", "book wi", "wc"), node("Reshape", "wc shape", "wr"),
            node("Slice", "wr first end axis", "ws")]
    cut = arr(w=w, book=book, shape=np.array([0, w.shape[1] * 5]), first=np.array([0]), end=np.array([K]),
              axis=np.array([1]))
    report("words and a codebook",
           look + acts + bias + [node("DequantizeLinear", "ws s zw", "wd", axis=0),
                                 node("Gemm", "xd wd bd", "y", transB=1)],
           cut + common + arr(zw=np.zeros(N, np.int8)), {"x": X}, quantized, 21)
    look[0] = node("Cast", "r", "wi", to=T.INT32)
    report("words and a codebook, looked up",
           [node("Gather", "w i", "r")] + look + [node("DequantizeLinear", "ws s", "y", axis=-1)],
           cut + arr(s=scale), {"i": IDS}, (W * scale)[IDS], 21)


if __name__ == "__main__":
    main()
