#!/usr/bin/env python3
"""AdaRound of one layer by PyTorch in float64: writes adaround.npz beside itself.

The formula of Nagel et al. 2020 (arXiv:2004.10568), equations 21 to 24: h(V) is the rectified
sigmoid, f the regularizer; gradients are autograd's, steps torch.optim.Adam's.
"""
import os

import numpy as np
import torch

N, K, GROUP, TOKENS = 6, 32, 16, 200
STEPS, RATE, LAMBDA, WARM, FIRST, LAST = 300, 0.01, 1.0, 0.2, 20.0, 2.0
BITS = 4


def soft(v):
    return torch.clamp(torch.sigmoid(v) * 1.2 - 0.1, 0, 1)


def codes(w, scale, zero, h, low):
    return torch.clamp(torch.floor(w / scale) + zero + h, low, 2**BITS - 1)


def loss_of(x, w, scale, zero, v, low, beta, weight):
    h = soft(v)
    rounded = (codes(w, scale, zero, h, low) - zero) * scale
    loss = ((x @ (rounded - w).T) ** 2).sum()
    if beta > 0:
        loss = loss + weight * (1 - (2 * h - 1).abs() ** beta).sum()
    return loss


def case(name, is_symmetric, out):
    g = torch.Generator().manual_seed(7 + is_symmetric)
    x = (torch.randn(TOKENS, K, generator=g) @ torch.randn(K, K, generator=g) / 4).float()
    w = (torch.randn(N, K, generator=g) / 8).float()
    groups = w.view(N, K // GROUP, GROUP)
    if is_symmetric:
        scale = (groups.abs().amax(-1) / 8.5).float()  # the largest ones are cut off
        zero, low = torch.full_like(scale, 8), 1
    else:
        scale = ((groups.amax(-1) - groups.amin(-1)) / 16).float()
        zero, low = torch.round(-groups.amin(-1) / scale).clamp(0, 15), 0
    out.update({f"{name}.{k}": t.numpy() for k, t in (("x", x), ("w", w), ("scale", scale))})
    out[f"{name}.zero"] = zero.numpy().astype(np.uint8)
    x, w = x.double(), w.double()
    s, z = (t.double().repeat_interleave(GROUP, 1) for t in (scale, zero))

    v = torch.randn(N, K, generator=g).float() * 2
    out[f"{name}.v"] = v.numpy()
    v = v.double().requires_grad_()
    for beta in (0, 7):
        loss = loss_of(x, w, s, z, v, low, beta, 0.05)
        out[f"{name}.loss{beta}"] = np.array([loss.item()])
        out[f"{name}.grad{beta}"] = torch.autograd.grad(loss, v)[0].numpy()

    nearest = torch.clamp(torch.round(w / s) + z, low, 15)
    e0 = ((x @ ((nearest - z) * s - w).T) ** 2).sum().item()
    part = (w / s - torch.floor(w / s)).clamp(0, 1)
    v = (-torch.log(1.2 / (part + 0.1) - 1)).requires_grad_()
    adam = torch.optim.Adam([v], lr=RATE)
    for t in range(STEPS):
        p = (t - WARM * STEPS) / (STEPS - WARM * STEPS)
        beta = 0 if p < 0 else LAST + 0.5 * (FIRST - LAST) * (1 + np.cos(p * np.pi))
        adam.zero_grad()
        (loss_of(x / e0**0.5, w, s, z, v, low, beta, LAMBDA / (N * K))).backward()
        adam.step()
    hard = codes(w, s, z, (soft(v) >= 0.5).double(), low).detach()
    out[f"{name}.codes"] = hard.numpy().astype(np.uint8)
    out[f"{name}.error"] = np.array([((x @ ((hard - z) * s - w).T) ** 2).sum().item(), e0])
    print(name, "nearest", e0, "adaround", out[f"{name}.error"][0],
          "undecided", int(((soft(v) > 0.01) & (soft(v) < 0.99)).sum()), "changed", int((hard != nearest).sum()))


def main():
    out = {}
    case("symmetric", True, out)
    case("asymmetric", False, out)
    np.savez(os.path.join(os.path.dirname(os.path.abspath(__file__)), "adaround.npz"), **out)


if __name__ == "__main__":
    main()
