#!/usr/bin/env python3
"""Write conv_*.onnx and its arrays: convolutions and pools of every kind that PyTorch has, small.

    python gen_conv.py [OUT_DIR]

As gen_torch.py does for its models. Norms stand behind an activation, where no exporter folds them.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import gen_torch as base


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.depth = nn.Conv2d(8, 16, 3, groups=8, dilation=2, padding=2, bias=False)
        self.point = nn.Conv2d(16, 6, 1)
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.line = nn.Conv1d(4, 5, 4, stride=3)
        self.block = nn.Conv3d(1, 3, (2, 3, 2), stride=(2, 1, 2))
        self.out = nn.Linear(5 + 3, 3)

    def forward(self, x):
        h = self.norm1(F.relu(self.conv1(x)))
        h = F.max_pool2d(h, 3, 2, 1)
        h = F.gelu(self.point(self.depth(h)))
        h = F.avg_pool2d(torch.tanh(self.up(h)), 2, 2)
        line = F.relu(self.line(h.flatten(2))).amax(2)
        block = F.adaptive_avg_pool3d(torch.tanh(self.block(h.unsqueeze(1))), 1).flatten(1)
        return self.out(torch.cat([line, block], 1))


def main():
    model = base.fill(Net(), 31)
    r = np.random.default_rng(32)
    model.norm1.running_mean.copy_(torch.from_numpy(r.standard_normal(8).astype(np.float32)))
    model.norm1.running_var.copy_(torch.from_numpy((0.5 + r.random(8)).astype(np.float32)))
    x = torch.from_numpy(r.standard_normal((3, 2, 11, 10)).astype(np.float32))
    base.write_export("conv", model, {"x": x}, torch.tensor([0, 2, 1]))


if __name__ == "__main__":
    main()
