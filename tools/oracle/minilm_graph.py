"""all-MiniLM-L6-v2 with a linear head as a hand-built ONNX graph, in any QDQ spelling.

The fp32 graph and all quantized ones come from the same code: class Spelling says what differs.
Observe the fp32 graph with `taps`, then pass the ranges to build() again.
"""
import json
import os
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


@dataclass(frozen=True)
class Spelling:
    linear: str = "float"       # float | matmul | gemm | gemm_local (Reshape around each) | dynamic
    bias: str = "int32"         # int32: DQ of [out]; float: as it is; none: Add of float behind
    act: str = "u8"             # u8 | s8 | s8sym | u8sym
    per_channel: bool = True
    out_q: bool = False         # Q/DQ behind each linear
    attention: str = "float"    # float | int8: both products | qk | pv
    embedding: str = "float"    # float | gather_dq | gather_dq_col | dq_gather | gather_rowscale
    is_2d: bool = True          # gemm: the whole encoder works on [B*T, D]
    share_dq: bool = True       # q, k and v read one DQ
    trans_b: bool = False       # Gemm weights stored [out, in]
    weight: str = "s8"          # s8 | u8 (zero point 128)
    shape: tuple = ("batch", "time")
    flat_q: bool = False        # the Reshape before a Gemm stands before Q, not behind DQ
    value_info: bool = False    # shapes of all values in the file
    const_targets: bool = False  # attention reshapes to [0,0,H,d] and [0,0,D], rank known to all


class Builder:
    def __init__(self, spelling, ranges, opset):
        self.s, self.ranges, self.opset = spelling, ranges, opset
        self.nodes, self.inits, self.n = [], [], 0
        self.taps = {}

    def const(self, name, array):
        if name not in {i.name for i in self.inits}:
            self.inits.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def op(self, kind, inputs, name=None, n_out=1, **attrs):
        self.n += 1
        name = name or f"{kind.lower()}_{self.n}"
        outs = [name] if n_out == 1 else [f"{name}_{i}" for i in range(n_out)]
        self.nodes.append(helper.make_node(kind, inputs, outs, name=f"{name}_node", **attrs))
        return outs[0] if n_out == 1 else outs

    # quantization -----------------------------------------------------------------------------

    def act_params(self, tap):
        lo, hi = self.ranges[tap]
        lo, hi = min(lo, 0.0), max(hi, 0.0)
        kind = self.s.act
        if kind in ("s8sym", "u8sym"):
            scale = max(-lo, hi) / 127
            zero = 0 if kind == "s8sym" else 128
        else:
            scale = (hi - lo) / 255
            zero = int(np.clip(round(-lo / scale), 0, 255)) - (128 if kind == "s8" else 0)
        return np.float32(scale), np.array(zero, np.int8 if kind.startswith("s8") else np.uint8)

    def qdq(self, x, tap, n_dq=1):
        """Q behind x; one DQ, or n_dq of them when readers do not share."""
        self.taps[tap] = x
        if self.ranges is None or self.s.linear == "dynamic":
            return [x] * n_dq
        if self.s.flat_q and tap.endswith(".in"):
            x = self.flatten(x, 1536 if tap.endswith(".output.in") and "attention" not in tap else 384)
        scale, zero = self.act_params(tap)
        sn, zn = self.const(f"{tap}.scale", scale), self.const(f"{tap}.zero", zero)
        q = self.op("QuantizeLinear", [x, sn, zn], f"{tap}.q")
        if self.s.share_dq:
            return [self.op("DequantizeLinear", [q, sn, zn], f"{tap}.dq")] * n_dq
        return [self.op("DequantizeLinear", [q, sn, zn], f"{tap}.dq{i}") for i in range(n_dq)]

    def weight_q(self, name, w):
        """w [in,out] -> its DQ and the scale per output channel."""
        axis = 1
        amax = np.abs(w).max(0) if self.s.per_channel else np.array(np.abs(w).max())
        scale = (np.maximum(amax, 1e-12) / 127).astype(np.float32)
        q = np.clip(np.rint(w / scale), -127, 127)
        is_t = self.s.trans_b and self.s.linear.startswith("gemm")
        if is_t:
            q, axis = q.T, 0
        if self.s.weight == "u8":
            q, zero = (q + 128).astype(np.uint8), np.full(scale.shape, 128, np.uint8)
        else:
            q, zero = q.astype(np.int8), np.zeros(scale.shape, np.int8)
        kw = {"axis": axis} if self.s.per_channel else {}
        ins = [self.const(f"{name}.int8", q), self.const(f"{name}.scale", scale),
               self.const(f"{name}.zero", zero)]
        return self.op("DequantizeLinear", ins, f"{name}.dq", **kw), scale, is_t

    def linear(self, x, tap, name, w, b):
        s = self.s
        if self.ranges is None or s.linear == "float":
            w, b = self.const(name, w), self.const(name + ".b", b)
            if s.is_2d and s.linear.startswith("gemm"):
                y = self.op("Gemm", [x, w, b])
            else:
                y = self.op("Add", [self.op("MatMul", [x, w]), b])
            if s.out_q:
                self.taps[name + ".out"] = y
            return y
        if s.linear == "dynamic":
            return self.linear_dynamic(x, name, w, b)
        wdq, wscale, is_t = self.weight_q(name, w)
        bias = self.bias_input(name, b, tap, wscale)
        if s.linear.startswith("gemm"):
            y = self.gemm(x, wdq, bias, is_t, w.shape)
        else:
            y = self.op("MatMul", [x, wdq])
            y = self.op("Add", [y, bias])
        if s.out_q:
            y = self.qdq(y, name + ".out")[0]
        return y

    def bias_input(self, name, b, tap, wscale):
        if self.s.bias != "int32":
            return self.const(name + ".b", b)
        scale = (self.act_params(tap)[0] * np.broadcast_to(wscale, b.shape)).astype(np.float32)
        q = np.rint(b.astype(np.float64) / scale).astype(np.int32)
        if not self.s.per_channel:
            scale = scale[0]
        ins = [self.const(name + ".b.int32", q), self.const(name + ".b.scale", scale),
               self.const(name + ".b.zero", np.zeros(scale.shape, np.int32))]
        kw = {"axis": 0} if self.s.per_channel else {}
        return self.op("DequantizeLinear", ins, name + ".b.dq", **kw)

    def flatten(self, x, width):
        return self.op("Reshape", [x, self.const(f"flat{width}", np.array([-1, width]))])

    def gemm(self, x, w, bias, is_t, shape):
        kw = {"transB": 1} if is_t else {}
        if self.s.is_2d:
            return self.op("Gemm", [x, w, bias], **kw)
        flat = x if self.s.flat_q else self.flatten(x, shape[0])
        y = self.op("Gemm", [flat, w, bias], **kw)
        back = self.op("Concat", [self.batch, self.time,
                                  self.const(f"w{shape[1]}", np.array([shape[1]]))], axis=0)
        return self.op("Reshape", [y, back])

    def linear_dynamic(self, x, name, w, b):
        q, xs, xz = self.op("DynamicQuantizeLinear", [x], n_out=3)
        scale = (np.maximum(np.abs(w).max(0), 1e-12) / 127).astype(np.float32)
        wi = self.const(name + ".int8", np.clip(np.rint(w / scale), -127, 127).astype(np.int8))
        y = self.op("MatMulInteger", [q, wi, xz, self.const(name + ".zero", np.array(0, np.int8))])
        y = self.op("Cast", [y], to=TensorProto.FLOAT)
        y = self.op("Mul", [y, self.op("Mul", [xs, self.const(name + ".scale", scale)])])
        return self.op("Add", [y, self.const(name + ".b", b)])

    def embed(self, name, table, ids):
        kind = self.s.embedding if self.ranges is not None else "float"
        if kind == "float":
            return self.op("Gather", [self.const(name, table), ids])
        if kind == "gather_rowscale":
            scale = (np.abs(table).max(1, keepdims=True) / 127 + 1e-12).astype(np.float32)
            q = self.const(name + ".int8", np.rint(table / scale).astype(np.int8))
            rows = self.op("Cast", [self.op("Gather", [q, ids])], to=TensorProto.FLOAT)
            return self.op("Mul", [rows, self.op("Gather", [self.const(name + ".scale", scale), ids])])
        if kind == "gather_dq_col":
            scale = (np.abs(table).max(0) / 127 + 1e-12).astype(np.float32)
        else:
            scale = np.float32(np.abs(table).max() / 127)
        q = self.const(name + ".int8", np.rint(table / scale).astype(np.int8))
        sz = [self.const(name + ".scale", scale), self.const(name + ".zero",
                                                             np.zeros(np.shape(scale), np.int8))]
        if kind == "dq_gather":
            return self.op("Gather", [self.op("DequantizeLinear", [q] + sz), ids])
        kw = {"axis": 2} if kind == "gather_dq_col" else {}
        return self.op("DequantizeLinear", [self.op("Gather", [q, ids])] + sz, **kw)


def norm(b, x, w, name):
    scale, bias = b.const(name + ".weight", w[name + ".weight"]), b.const(name + ".bias", w[name + ".bias"])
    return b.op("LayerNormalization", [x, scale, bias], axis=-1, epsilon=1e-12)


def gelu(b, x):
    e = b.op("Erf", [b.op("Div", [x, b.const("sqrt2", np.float32(2 ** 0.5))])])
    e = b.op("Add", [e, b.const("one", np.float32(1))])
    return b.op("Mul", [b.op("Mul", [x, e]), b.const("half", np.float32(0.5))])


def product(b, x, y, tap, is_int8):
    if is_int8:
        x, y = b.qdq(x, tap + ".a")[0], b.qdq(y, tap + ".b")[0]
    return b.op("MatMul", [x, y])


def attention(b, x3, w, p, n_heads, d, bias):
    """x3: the (de)quantized input, once each for q, k and v."""
    if b.s.const_targets:
        heads = b.const("heads", np.array([0, 0, n_heads, d // n_heads]))
    else:
        heads = b.op("Concat", [b.batch, b.time, b.const("heads", np.array([n_heads, d // n_heads]))], axis=0)
    split = []
    for x, part in zip(x3, ("query", "key", "value")):
        n = f"{p}.attention.self.{part}"
        y = b.linear(x, p + ".in", n + ".weight", w[n + ".weight"].T, w[n + ".bias"])
        y = b.op("Reshape", [y, heads])
        split.append(b.op("Transpose", [y], perm=[0, 2, 3, 1] if part == "key" else [0, 2, 1, 3]))
    q, k, v = split
    mode = b.s.attention
    s = product(b, q, k, p + ".qk", mode in ("int8", "qk"))
    s = b.op("Mul", [s, b.const("qk_scale", np.float32((d // n_heads) ** -0.5))])
    a = b.op("Softmax", [b.op("Add", [s, bias])], axis=-1)
    c = product(b, a, v, p + ".pv", mode in ("int8", "pv"))
    c = b.op("Transpose", [c], perm=[0, 2, 1, 3])
    return b.op("Reshape", [c, b.const("flat3", np.array([0, 0, d])) if b.s.const_targets else b.flat])


def layer(b, x, w, p, n_heads, d, bias):
    c = attention(b, b.qdq(x, p + ".in", 3), w, p, n_heads, d, bias)
    n = p + ".attention.output"
    y = b.linear(b.qdq(c, n + ".in")[0], n + ".in", n + ".dense.weight", w[n + ".dense.weight"].T,
                 w[n + ".dense.bias"])
    x = norm(b, b.op("Add", [y, x]), w, n + ".LayerNorm")
    n = p + ".intermediate"
    y = b.linear(b.qdq(x, n + ".in")[0], n + ".in", n + ".dense.weight", w[n + ".dense.weight"].T,
                 w[n + ".dense.bias"])
    n = p + ".output"
    y = b.linear(b.qdq(gelu(b, y), n + ".in")[0], n + ".in", n + ".dense.weight",
                 w[n + ".dense.weight"].T, w[n + ".dense.bias"])
    return norm(b, b.op("Add", [y, x]), w, n + ".LayerNorm")


def build(folder, head, spelling=Spelling(), ranges=None, taps=False, opset=17):
    """(ModelProto, {tap: tensor}). head = (weight [D,C], bias [C]); taps adds every range's tensor
    as an output."""
    w = load_file(os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        cfg = json.load(f)
    d, n_heads = cfg["hidden_size"], cfg["num_attention_heads"]
    b = Builder(spelling, ranges, opset)
    is_2d = spelling.is_2d and spelling.linear.startswith("gemm")
    shape = b.op("Shape", ["input_ids"])
    b.batch = b.op("Slice", [shape, b.const("i0", np.array([0])), b.const("i1", np.array([1]))])
    b.time = b.op("Slice", [shape, b.const("i1", np.array([1])), b.const("i2", np.array([2]))])
    width = b.const("d", np.array([d]))
    b.flat = b.const("flat", np.array([-1, d])) if is_2d else \
        b.op("Concat", [b.batch, b.time, width], axis=0)
    x = b.embed("embeddings.word", w["embeddings.word_embeddings.weight"], "input_ids")
    pos = b.op("Slice", [b.const("positions", np.arange(cfg["max_position_embeddings"])[None]),
                         b.const("i0", np.array([0])), b.time, b.const("i1", np.array([1]))])
    posw = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    x = b.op("Add", [x, b.embed("embeddings.position", posw, pos)])
    if is_2d:
        x = b.op("Reshape", [x, b.flat])
    x = norm(b, x, w, "embeddings.LayerNorm")
    m = b.op("Cast", ["attention_mask"], to=TensorProto.FLOAT)
    m4 = b.op("Unsqueeze", [m, b.const("axes12", np.array([1, 2]))])
    bias = b.op("Mul", [b.op("Sub", [b.const("one", np.float32(1)), m4]),
                        b.const("low", np.float32(-10000.0))])
    for i in range(cfg["num_hidden_layers"]):
        x = layer(b, x, w, f"encoder.layer.{i}", n_heads, d, bias)
    if is_2d:
        x = b.op("Reshape", [x, b.op("Concat", [b.batch, b.time, width], axis=0)])
    m3 = b.op("Unsqueeze", [m, b.const("axis2", np.array([2]))])
    total = b.op("ReduceSum", [b.op("Mul", [x, m3]), b.const("i1", np.array([1]))], keepdims=0)
    pooled = b.op("Div", [total, b.op("ReduceSum", [m3, b.const("i1", np.array([1]))], keepdims=0)],
                  "pooled")
    b.op("Gemm", [pooled, b.const("head", head[0].astype(np.float32)),
                  b.const("head.b", head[1].astype(np.float32))], "logits")
    return finish(b, taps), b.taps


def finish(b, taps):
    io = [helper.make_tensor_value_info(n, TensorProto.INT64, b.s.shape)
          for n in ("input_ids", "attention_mask")]
    outs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [b.s.shape[0], 2]),
            helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [b.s.shape[0], 384])]
    if taps:
        outs += [helper.make_tensor_value_info(v, TensorProto.FLOAT, None)
                 for v in dict.fromkeys(b.taps.values())]
    g = helper.make_graph(b.nodes, "minilm", io, outs, b.inits)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", b.opset)])
    m.ir_version = 8 if b.opset < 19 else 10
    if not taps:
        onnx.checker.check_model(m)
    return m
