#!/usr/bin/env python3
"""Write batchnorm_*.onnx and its arrays: BatchNorm1d where no exporter folds it, statistics of its own.

    python gen_batchnorm.py [OUT_DIR]

As gen_torch.py does for its models; the statistics are constants (eval), as in the exported files.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import gen_torch as base


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm0 = nn.BatchNorm1d(6)
        self.fc1, self.norm1 = nn.Linear(6, 16), nn.BatchNorm1d(16, eps=1e-3)
        self.fc2, self.norm2 = nn.Linear(16, 8, bias=False), nn.BatchNorm1d(8)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        h = self.norm1(F.relu(self.fc1(self.norm0(x))))
        return self.out(self.norm2(F.gelu(self.fc2(h))))


def statistics(model, x):
    """Of the rows x by training mode; of the population, as ONNX has the variance."""
    norms = {n: m for n, m in model.named_modules() if isinstance(m, nn.BatchNorm1d)}
    for m in norms.values():
        m.momentum = None
        m.reset_running_stats()
    with torch.no_grad():
        model.double().train()(x.double())
    n = len(x)
    return ({f"{k}.running_mean": m.running_mean.numpy() for k, m in norms.items()} |
            {f"{k}.running_var": m.running_var.numpy() * (n - 1) / n for k, m in norms.items()})


def main():
    model = base.fill(Normed(), 21)
    r = np.random.default_rng(22)
    for m in (model.norm0, model.norm1, model.norm2):
        n = m.num_features
        m.running_mean.copy_(torch.from_numpy(r.standard_normal(n).astype(np.float32)))
        m.running_var.copy_(torch.from_numpy((0.5 + r.random(n)).astype(np.float32)))
        m.weight.data.copy_(torch.from_numpy((1 + 0.3 * r.standard_normal(n)).astype(np.float32)))
    x = torch.from_numpy(r.standard_normal((7, 6)).astype(np.float32))
    base.write_export("batchnorm", model, {"x": x}, torch.tensor([0, 2, 1, 1, 0, 2, 2]))
    base.save("batchnorm.stats", statistics(model, x))


if __name__ == "__main__":
    main()
