#!/usr/bin/env python3
"""Write prune.npz: weights, and the masks that torch.nn.utils.prune and NumPy make of them.

    python gen_prune.py [OUT_DIR]

Made with PyTorch and NumPy; see README.md. The same versions write the same bytes.
"""
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
SHAPES = [(6, 16), (24, 8), (5, 8)]
AMOUNTS = [0.25, 0.5, 0.77]


def layers(weights):
    made = []
    for w in weights:
        m = nn.Linear(w.shape[1], w.shape[0], bias=False)
        m.weight.data = torch.from_numpy(w.copy())
        made.append(m)
    return made


def kept_of_groups(w, n, m):
    """Of every m along the last axis, the n largest magnitudes."""
    groups = np.abs(w.astype(np.float64)).reshape(-1, m)
    order = np.argsort(groups, axis=1)
    mask = np.ones_like(groups)
    np.put_along_axis(mask, order[:, :m - n], 0, axis=1)
    return mask.reshape(w.shape)


def kept_of_blocks(weights, rows, cols, amount):
    """Blocks by their Frobenius norm in float64: the share `amount` of all of them goes."""
    norms = [np.sqrt((w.astype(np.float64).reshape(w.shape[0] // rows, rows, -1, cols) ** 2)
                     .sum((1, 3))) for w in weights]
    flat = np.concatenate([n.ravel() for n in norms])
    gone = np.argsort(flat, kind="stable")[:round(amount * flat.size)]
    keep = np.ones(flat.size)
    keep[gone] = 0
    out, at = [], 0
    for w, n in zip(weights, norms):
        part = keep[at:at + n.size].reshape(n.shape)
        at += n.size
        out.append(np.kron(part, np.ones((rows, cols))))
    return out


def main():
    r = np.random.default_rng(5)
    weights = [(r.standard_normal(s) * (1 + i)).astype(np.float32) for i, s in enumerate(SHAPES)]
    out = {f"w{i}": w for i, w in enumerate(weights)}
    for a in AMOUNTS:
        made = layers(weights)
        for i, m in enumerate(made):
            prune.l1_unstructured(m, "weight", amount=a)
            out[f"local.{a}.w{i}"] = m.weight_mask.numpy().astype(np.uint8)
        made = layers(weights)
        prune.global_unstructured([(m, "weight") for m in made],
                                  pruning_method=prune.L1Unstructured, amount=a)
        for i, m in enumerate(made):
            out[f"global.{a}.w{i}"] = m.weight_mask.numpy().astype(np.uint8)
    for n, m in ((2, 4), (4, 8), (1, 2)):
        for i, w in enumerate(weights):
            out[f"{n}:{m}.w{i}"] = kept_of_groups(w, n, m).astype(np.uint8)
    for name, ws in (("local", [[w] for w in weights[:2]]), ("global", [weights[:2]])):
        masks = [k for group in ws for k in kept_of_blocks(group, 2, 4, 0.5)]
        for i, k in enumerate(masks):
            out[f"block.{name}.w{i}"] = k.astype(np.uint8)
    np.savez(os.path.join(OUT, "prune.npz"), **out)


main()
