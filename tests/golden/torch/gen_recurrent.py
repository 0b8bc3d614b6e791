#!/usr/bin/env python3
"""Write recurrent_*.onnx and its arrays: a bidirectional LSTM, a GRU and an RNN on each other.

    python gen_recurrent.py [OUT_DIR]

As gen_torch.py does for its models. Exporters reorder gates and join directions, so gradients are
brought into the shapes of ONNX here: LSTM's gates i, f, g, o become i, o, f, c, GRU's r, z, n become
z, r, h.
"""
import os
import sys

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

import gen_torch as base

ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 6, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(12, 7, batch_first=True)
        self.rnn = nn.RNN(7, 4, nonlinearity="relu", batch_first=True)
        self.out = nn.Linear(4 + 12, 3)

    def forward(self, x):
        a, (h, _) = self.lstm(x)
        b, _ = self.gru(a)
        c, _ = self.rnn(b)
        return self.out(torch.cat([c[:, -1], h[0], h[1]], -1))


def onnx_shape(op, arrays):
    """One array of ONNX from PyTorch's, one for each direction, gates reordered."""
    rows = []
    for a in arrays:
        gates = np.split(a, len(ORDER[op]))
        rows.append(np.concatenate([gates[i] for i in ORDER[op]]))
    return np.stack(rows)


def weights(module, op, of):
    """W, R, B of a module; `of` gives a parameter's array."""
    parts = [("", module)] + ([("_reverse", module)] if module.bidirectional else [])

    def get(kind):
        return [of(getattr(m, f"{kind}_l0{s}")) for s, m in parts]
    b = np.concatenate([onnx_shape(op, get("bias_ih")), onnx_shape(op, get("bias_hh"))], -1)
    return [onnx_shape(op, get("weight_ih")), onnx_shape(op, get("weight_hh")), b]


def expected(graph, model):
    """initializer -> gradient; the dynamo exporter writes RNN as a product for each step."""
    inits = {i.name: numpy_helper.to_array(i) for i in graph.graph.initializer}
    pairs = []
    for op, module in (("LSTM", model.lstm), ("GRU", model.gru), ("RNN", model.rnn)):
        values = weights(module, op, lambda p: p.detach().float().numpy())
        grads = weights(module, op, lambda p: p.grad.numpy())
        pairs += list(zip(values, grads))
    pairs += [(p.detach().float().numpy(), p.grad.numpy()) for p in model.out.parameters()]
    pairs += [(v.T, g.T) for v, g in pairs[-2:-1]]
    found = {}
    for name, a in inits.items():
        for value, grad in pairs:
            if a.shape == value.shape and np.array_equal(a, value):
                found[name] = grad.astype(np.float32)
    n_wanted = 11 if any(n.op_type == "RNN" for n in graph.graph.node) else 8
    if len(found) != n_wanted:
        raise SystemExit(f"{len(found)} of {n_wanted} weights found: {sorted(found)}")
    return found


def main():
    model = base.fill(Recurrent(), 13).eval()
    r = np.random.default_rng(14)
    x = torch.from_numpy(r.standard_normal((4, 9, 5)).astype(np.float32))
    label = torch.tensor([0, 2, 1, 1])
    graphs = {s: base.export(model, {"x": x}, os.path.join(base.OUT, f"recurrent_{s}.onnx"), d)
              for s, d in (("ts", False), ("dynamo", True))}
    model.double()
    logits = model(x.double())
    loss = F.cross_entropy(logits, label)
    loss.backward()
    base.save("recurrent.in", {"x": x.numpy(), "label": label.numpy()})
    base.save("recurrent.out", {"logits": logits.detach().float().numpy()})
    base.save("recurrent.loss", {"loss": np.float64(loss.item())})
    for s, g in graphs.items():
        print(s, sorted({n.op_type for n in g.graph.node}))
        base.save(f"recurrent_{s}.grad", expected(g, model))


if __name__ == "__main__":
    main()
