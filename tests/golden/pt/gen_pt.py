"""Files of torch.save and torch.jit.save, with their values.

    python gen_pt.py      (writes beside itself; made by torch 2.15.0+cu132)

state.pt: a state dict, every element type, views of one storage, a parameter; legacy.pt: the same as
torch before 1.6 wrote it; script.pt: a TorchScript module; nested.pt: a checkpoint with a state dict,
an optimizer's state and numbers. Values of NAME.pt are in NAME.npz, as f64, under the names of the
tensors with dots between. net.onnx has the module of script.pt, whose weights nested.pt changed.
"""
import collections
import os

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
         torch.int16, torch.int8, torch.uint8, torch.bool]


def path(name):
    return os.path.join(HERE, name)


def values(tensors, name):
    np.savez(path(name), **{k: v.detach().to(torch.float64).numpy() for k, v in tensors.items()})


def state():
    d = collections.OrderedDict()
    for t in TYPES:
        x = torch.arange(6).reshape(2, 3) - (0 if t == torch.uint8 else 3)
        d["type." + str(t).split(".")[1]] = (x % 2).to(t) if t == torch.bool else x.to(t)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    d["view.whole"] = base
    d["view.transposed"] = base.t()
    d["view.slice"] = base[1:3, ::2]
    d["view.column"] = base[:, 4]
    d["view.permuted"] = torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1)
    d["scalar"] = torch.tensor(7.5)
    d["empty"] = torch.zeros(0, 3)
    d["parameter"] = torch.nn.Parameter(torch.ones(2))
    return d


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)])
        self.register_buffer("scale", torch.tensor([2.0]))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x * self.scale


def main():
    torch.manual_seed(1)
    d = state()
    torch.save(d, path("state.pt"))
    torch.save(d, path("legacy.pt"), _use_new_zipfile_serialization=False)
    values(d, "state.npz")
    net = Net()
    torch.jit.save(torch.jit.script(net), path("script.pt"))
    values(net.state_dict(), "script.npz")
    torch.onnx.export(net, torch.ones(1, 3), path("net.onnx"), dynamo=False)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "lr": 1e-3, "state_dict": net.state_dict(), "optimizer": optimizer.state_dict()},
               path("nested.pt"))
    flat = {"state_dict." + k: v for k, v in net.state_dict().items()}
    for i, s in optimizer.state_dict()["state"].items():
        flat.update({f"optimizer.state.{i}.{k}": v for k, v in s.items()})
    values(flat, "nested.npz")


main()
