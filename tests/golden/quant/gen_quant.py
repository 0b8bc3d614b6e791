#!/usr/bin/env python3
"""Text models whose weights are read in several ways. Usage: gen_quant.py FOLDER

Written with onnx 1.23.2, numpy 2.4.6.
"""
import sys

import numpy as np
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

OUT = sys.argv[1]
VOCAB, WIDTH = 97, 8
rng = np.random.default_rng(5)


def normal(name, *dims):
    return nh.from_array(rng.standard_normal(dims).astype("f4"), name)


def save(name, nodes, inits):
    """Token vectors of a table, their mean `pooled` [rows, WIDTH], then the nodes up to `logits`."""
    mean = [h.make_node("Gather", ["table", "input_ids"], ["tokens"], name="embed"),
            h.make_node("ReduceMean", ["tokens"], ["pooled"], axes=[1], keepdims=0)]
    ids = [h.make_tensor_value_info("input_ids", T.INT64, ["batch", "tokens"])]
    out = [h.make_tensor_value_info("logits", T.FLOAT, ["batch", 2])]
    graph = h.make_graph(mean + nodes, name, ids, out, [normal("table", VOCAB, WIDTH)] + inits)
    m = h.make_model(graph, ir_version=8, opset_imports=[h.make_opsetid("", 17)])
    with open(f"{OUT}/{name}.onnx", "wb") as f:
        f.write(m.SerializeToString())


def main():
    head = h.make_node("MatMul", ["last", "head"], ["logits"], name="head_product")
    for name, n in (("both-ways", 40), ("both-ways-square", WIDTH)):
        # one matrix that two products read, one of them transposed
        save(name, [h.make_node("MatMul", ["pooled", "w"], ["wide"], name="up"),
                    h.make_node("Relu", ["wide"], ["relu"]),
                    h.make_node("Gemm", ["relu", "w"], ["last"], name="down", transB=1), head],
             [normal("w", WIDTH, n), normal("head", WIDTH, 2)])
    # the table is a product's weight, too: [VOCAB, WIDTH] by [.., VOCAB]
    save("table-product", [h.make_node("MatMul", ["pooled", "to_vocab"], ["scores"], name="scores"),
                           h.make_node("Softmax", ["scores"], ["p"]),
                           h.make_node("MatMul", ["p", "table"], ["last"], name="mix"), head],
         [normal("to_vocab", WIDTH, VOCAB), normal("head", WIDTH, 2)])
    # channels of heads, [.., 2, 4], and of both together
    save("uneven-channels", [h.make_node("Reshape", ["tokens", "by_head"], ["heads"]),
                             h.make_node("MatMul", ["heads", "w_head"], ["one"], name="of_a_head"),
                             h.make_node("Reshape", ["heads", "by_token"], ["rows"]),
                             h.make_node("Gemm", ["rows", "w_all"], ["all"], name="of_all"),
                             h.make_node("ReduceMean", ["one"], ["mean_one"], keepdims=0),
                             h.make_node("ReduceMean", ["all"], ["mean_all"], keepdims=0),
                             h.make_node("Add", ["pooled", "mean_one"], ["sum"]),
                             h.make_node("Add", ["sum", "mean_all"], ["last"]), head],
         [nh.from_array(np.array([0, 0, 2, 4], "i8"), "by_head"), normal("w_head", 4, 4),
          nh.from_array(np.array([-1, WIDTH], "i8"), "by_token"), normal("w_all", WIDTH, 4),
          normal("head", WIDTH, 2)])
    # names that a shell or a regular expression would read otherwise
    save("quoted-names", [h.make_node("MatMul", ["pooled", "w"], ["last"], name="it's (one)\n"),
                          h.make_node("MatMul", ["last", "head"], ["logits"], name="$two")],
         [normal("w", WIDTH, WIDTH), normal("head", WIDTH, 2)])
    # a product over nothing
    save("empty-product", [h.make_node("Slice", ["pooled", "zero", "zero", "one"], ["none"]),
                           h.make_node("MatMul", ["none", "nothing"], ["zeros"], name="over_nothing"),
                           h.make_node("Add", ["zeros", "pooled"], ["last"]), head],
         [nh.from_array(np.array([0], "i8"), "zero"), nh.from_array(np.array([1], "i8"), "one"),
          normal("nothing", 0, WIDTH), normal("head", WIDTH, 2)])
    # a table's rows are a product's weight, as heads that are tied to the embeddings read them
    save("tied-head", [h.make_node("Gemm", ["pooled", "table"], ["scores"], name="tied", transB=1),
                       h.make_node("MatMul", ["scores", "head"], ["logits"], name="head_product")],
         [normal("head", VOCAB, 2)])


main()
