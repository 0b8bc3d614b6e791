#!/usr/bin/env python3
"""Small ONNX models, inputs and ONNX Runtime's outputs. Usage: gen_onnx.py FOLDER

Written with onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper as h
from onnx import numpy_helper as nh

OUT = sys.argv[1]
RNG = np.random.RandomState(7)
X = h.make_tensor_value_info("x", 1, ["batch", 4])
Y = h.make_tensor_value_info("y", 1, ["batch", 3])
W = RNG.randn(4, 3).astype("f4")
B = RNG.randn(3).astype("f4")


def model(name, nodes, inits, functions=(), ins=(X,), outs=(Y,)):
    graph = h.make_graph(list(nodes), name, list(ins), list(outs),
                         [nh.from_array(v, k) for k, v in inits.items()])
    m = h.make_model(graph, ir_version=8, producer_name="golden", functions=list(functions),
                     opset_imports=[h.make_opsetid("", 17), h.make_opsetid("org.example", 1)])
    m.metadata_props.add(key="note", value="kept")
    return m


def save(name, m):
    onnx.save(m, f"{OUT}/{name}.onnx")


def dense():
    return [h.make_node("Gemm", ["x", "w", "b"], ["h"], name="dense"),
            h.make_node("Softmax", ["h"], ["y"], name="softmax", axis=-1)]


def functions():
    """org.example.outer calls org.example.inner with an attribute that reaches Softmax."""
    inner = h.make_function("org.example", "inner", ["a", "w"], ["o"],
                            [h.make_node("Gemm", ["a", "w"], ["t"])], [h.make_opsetid("", 17)],
                            ["ax"])
    soft = h.make_node("Softmax", ["t"], ["o"])
    attr = soft.attribute.add()
    attr.name, attr.ref_attr_name, attr.type = "axis", "ax", onnx.AttributeProto.INT
    inner.node.append(soft)
    outer = h.make_function("org.example", "outer", ["a", "w"], ["o"],
                            [h.make_node("inner", ["a", "w"], ["o"], domain="org.example", ax=1)],
                            [h.make_opsetid("", 17), h.make_opsetid("org.example", 1)])
    nodes = [h.make_node("outer", ["x", "w"], ["p"], domain="org.example", name="first"),
             h.make_node("outer", ["x", "w"], ["q"], domain="org.example"),
             h.make_node("Add", ["p", "q"], ["y"])]
    return model("functions", nodes, {"w": W}, [inner, outer])


def main():
    os.makedirs(f"{OUT}/dense.set", exist_ok=True)
    m = model("dense", dense(), {"w": W, "b": B})
    save("dense", m)
    save("functions", functions())
    bad = B.copy()
    bad[1] = np.nan
    save("nan", model("nan", dense(), {"w": W, "b": bad}))
    mask = np.array([0, -np.inf, 0], "f4")
    save("mask", model("mask", [h.make_node("Gemm", ["x", "w", "b"], ["h"]),
                                h.make_node("Add", ["h", "mask"], ["m"]),
                                h.make_node("Softmax", ["m"], ["y"], axis=-1)],
                       {"w": W, "b": B, "mask": mask}))
    save("dropout", model("dropout", [h.make_node("Dropout", ["x", "ratio", "mode"], ["d"], name="drop"),
                                      h.make_node("Gemm", ["d", "w", "b"], ["y"])],
                          {"w": W, "b": B, "ratio": np.float32(0.5), "mode": np.bool_(True)}))
    save("missing", model("missing", [h.make_node("NoSuchOp", ["x"], ["t"]),
                                      h.make_node("Other", ["t"], ["y"], domain="org.example")], {}))
    x = RNG.randn(5, 4).astype("f4")
    np.savez(f"{OUT}/dense.in.npz", x=x)
    for name in ("dense", "functions"):
        y = ort.InferenceSession(f"{OUT}/{name}.onnx").run(None, {"x": x})[0]
        np.savez(f"{OUT}/{name}.out.npz", y=y)
    for name, array in (("input_0", x), ("output_0", y)):
        if name == "output_0":
            array = np.load(f"{OUT}/dense.out.npz")["y"]
        with open(f"{OUT}/dense.set/{name}.pb", "wb") as f:
            f.write(nh.from_array(array, "x" if name == "input_0" else "y").SerializeToString())


main()
