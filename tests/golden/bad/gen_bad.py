#!/usr/bin/env python3
"""Models that must be refused, or whose values are bad. Usage: gen_bad.py FOLDER

Written with onnx 1.23.2, numpy 2.4.6.
"""
import sys

import numpy as np
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

OUT = sys.argv[1]
X = h.make_tensor_value_info("x", T.FLOAT, ["batch", 4])
Y = h.make_tensor_value_info("y", T.FLOAT, ["batch", 3])
W = np.arange(12, dtype="f4").reshape(4, 3)


def save(name, nodes, inits, outs=(Y,)):
    graph = h.make_graph(nodes, name, [X], list(outs), inits)
    m = h.make_model(graph, ir_version=8, opset_imports=[h.make_opsetid("", 17)])
    with open(f"{OUT}/{name}.onnx", "wb") as f:
        f.write(m.SerializeToString())


def raw(name, dtype, dims, data):
    """A tensor whose fields need not fit each other."""
    t = T(name=name, data_type=dtype, raw_data=data)
    t.dims.extend(dims)
    return t


def main():
    product = [h.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    save("wrong-type", product, [nh.from_array(W.astype("i8"), "w")])
    save("unknown-type", product, [raw("w", 99, [4, 3], W.tobytes())])
    save("wrong-shape", product, [nh.from_array(W.reshape(3, 4), "w")])
    save("short-data", product, [raw("w", T.FLOAT, [4, 3], W.tobytes()[:20])])
    save("long-data", product, [raw("w", T.FLOAT, [4, 3], W.tobytes() + b"1234")])
    save("huge-dims", product, [raw("w", T.FLOAT, [1 << 62, 1 << 62], W.tobytes())])
    save("large-dims", product, [raw("w", T.FLOAT, [1 << 40, 3], W.tobytes())])
    save("negative-dim", product, [raw("w", T.FLOAT, [-4, 3], W.tobytes())])
    save("no-input", [h.make_node("MatMul", ["x", "v"], ["y"])], [nh.from_array(W, "w")])
    save("twice", product + product, [nh.from_array(W, "w")])
    save("cycle", [h.make_node("MatMul", ["b", "w"], ["a"], name="first"),
                   h.make_node("Relu", ["a"], ["b"], name="second"),
                   h.make_node("Relu", ["b"], ["y"], name="third")], [nh.from_array(W, "w")])
    # sound files that ask for too much when they run
    save("fills-memory", [h.make_node("ConstantOfShape", ["n"], ["big"], name="fill"),
                          h.make_node("MatMul", ["x", "w"], ["p"]),
                          h.make_node("ReduceSum", ["big"], ["s"], keepdims=0),
                          h.make_node("Add", ["p", "s"], ["y"])],
         [nh.from_array(np.array([1 << 24, 1 << 23], "i8"), "n"), nh.from_array(W, "w")])
    save("overflows", [h.make_node("ConstantOfShape", ["n"], ["big"], name="fill"),
                       h.make_node("MatMul", ["x", "w"], ["p"]),
                       h.make_node("ReduceSum", ["big"], ["s"], keepdims=0),
                       h.make_node("Add", ["p", "s"], ["y"])],
         [nh.from_array(np.array([1 << 40, 1 << 40], "i8"), "n"), nh.from_array(W, "w")])


if __name__ == "__main__":
    main()
