#!/usr/bin/env python3
"""Terms of distillation by PyTorch: values and gradients, in float64.

    python3 gen_terms.py    # writes terms.npz beside itself

Made with torch 2.15.0, numpy 2.4.6. Formulas are those of the papers that libcompress/train/term_*.c names, by
torch's own functions where it has them; nothing here is read from dscompress.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)
LENGTHS = [5, 3, 4, 2]  # the last row is not compared: its tokens have no weight
B, T = len(LENGTHS), 5
COMPARED = [0, 1, 2]
out = {}


def rand(*dims):
    return torch.randn(*dims)


def record(name, loss, **grads):
    loss.backward()
    out[f"{name}.loss"] = np.float64(loss.item())
    for k, v in grads.items():
        out[f"{name}.d{k}"] = v.grad.numpy()


def keep(name, **arrays):
    for k, v in arrays.items():
        out[f"{name}.{k}"] = v.detach().numpy()


tokens = torch.zeros(B, T)
for b in COMPARED:
    tokens[b, :LENGTHS[b]] = 1 / LENGTHS[b]
out["tokens"] = tokens.numpy()
out["others"] = (1 - torch.eye(B)).numpy()


def rows(per_row):
    """Mean over all rows of a function of one compared row."""
    return sum(per_row(b, LENGTHS[b]) for b in COMPARED) / B


def states(name, kind, ds, dt, n_pairs):
    s = [rand(B, T, ds).requires_grad_() for _ in range(n_pairs)]
    t = [rand(B, T, dt) for _ in range(n_pairs)]
    w = rand(ds, dt).requires_grad_() if ds != dt else None
    loss = 0
    for x, y in zip(s, t):
        z = x @ w if w is not None else x
        if kind == "mse":
            loss = loss + rows(lambda b, n: F.mse_loss(z[b, :n], y[b, :n]))
        else:
            loss = loss + rows(lambda b, n: (1 - F.cosine_similarity(z[b, :n], y[b, :n], dim=-1)).mean())
    grads = {f"s{i}": x for i, x in enumerate(s)}
    if w is not None:
        grads["w"] = w
        keep(name, w=w)
    keep(name, **{f"s{i}": x for i, x in enumerate(s)}, **{f"t{i}": x for i, x in enumerate(t)})
    record(name, loss, **grads)


states("hidden.mse", "mse", 6, 8, 2)
states("hidden.cosine", "cosine", 6, 6, 1)
states("embedding.mse", "mse", 4, 6, 1)


def attention_maps(n_heads):
    scores = rand(B, n_heads, T, T) * 2
    for b, n in enumerate(LENGTHS):
        scores[b, :, :, n:] = -10000.0
    return scores.softmax(-1)


def kl(p, q):
    """Mean over heads and queries of KL(p || q), of maps [H, n, n]."""
    return F.kl_div(q.log(), p, reduction="none").sum(-1).mean()


for kind in ("mse", "kl"):
    name = f"attention.{kind}"
    s, t = attention_maps(2).requires_grad_(), attention_maps(2)
    keep(name, s0=s, t0=t)
    one = F.mse_loss if kind == "mse" else lambda a, b: kl(b, a)
    record(name, rows(lambda b, n: one(s[b, :, :n, :n], t[b, :, :n, :n])), s0=s)

name = "pkd"
s, t = [rand(B, T, 6).requires_grad_() for _ in range(2)], [rand(B, T, 8) for _ in range(2)]
w = rand(6, 8).requires_grad_()
loss = sum((F.normalize(x[:, 0] @ w, dim=-1) - F.normalize(y[:, 0], dim=-1)).pow(2).sum(-1).mean()
           for x, y in zip(s, t))
keep(name, w=w, s0=s[0], s1=s[1], t0=t[0], t1=t[1])
record(name, loss, w=w, s0=s[0], s1=s[1])


def relation(x, n):
    """softmax(x x^T / sqrt(d)) of one row, [H, T, d]."""
    x = x[:, :n]
    return (x @ x.transpose(-1, -2) / x.shape[-1] ** 0.5).softmax(-1)


name = "relation"
s_map, t_map = attention_maps(2).requires_grad_(), attention_maps(2)
s_val, t_val = rand(B, 2, T, 3).requires_grad_(), rand(B, 2, T, 4)
keep(name, s_map=s_map, t_map=t_map, s_value=s_val, t_value=t_val)
record(name, rows(lambda b, n: kl(t_map[b, :, :n, :n], s_map[b, :, :n, :n])
                  + kl(relation(t_val[b], n), relation(s_val[b], n))), s_map=s_map, s_value=s_val)

name = "relation2"
R = 3
s3 = {k: rand(B, 2, T, 6).requires_grad_() for k in ("query", "key", "value")}
t3 = {k: rand(B, 4, T, 6) for k in s3}


def recut(x):
    """One row [H, T, d] with its heads side by side, cut into R."""
    h, n, d = x.shape
    return x.permute(1, 0, 2).reshape(n, R, h * d // R).permute(1, 0, 2)


keep(name, **{f"s_{k}": v for k, v in s3.items()}, **{f"t_{k}": v for k, v in t3.items()})
record(name, sum(rows(lambda b, n: kl(relation(recut(t3[k][b]), n), relation(recut(s3[k][b]), n))) for k in s3),
       **{f"s_{k}": v for k, v in s3.items()})


def distances(x):
    d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    return d / d[~torch.eye(B, dtype=torch.bool)].mean()


def angles(x):
    e = F.normalize(x.unsqueeze(0) - x.unsqueeze(1), p=2, dim=2)
    return torch.bmm(e, e.transpose(1, 2))


for kind in ("both", "distance", "angle"):
    name = f"rkd.{kind}"
    s, t = rand(B, 6).requires_grad_(), rand(B, 9)
    keep(name, s0=s, t0=t)
    d = F.smooth_l1_loss(distances(s), distances(t))
    a = F.smooth_l1_loss(angles(s), angles(t))
    record(name, d + 2 * a if kind == "both" else d if kind == "distance" else a, s0=s)

name = "crd"
N_ROWS, TAU = 40, 0.07
s, t = rand(B, 6).requires_grad_(), rand(B, 9)
ws, wt = (0.1 * rand(6, 128)).requires_grad_(), (0.1 * rand(9, 128)).requires_grad_()
keep(name, s0=s, t0=t, w_student=ws, w_teacher=wt)
e = torch.exp(F.normalize(s @ ws, dim=-1) @ F.normalize(t @ wt, dim=-1).T / TAU)
h = e / (e + (B - 1) / N_ROWS)
own = torch.eye(B, dtype=torch.bool)
record(name, -(h[own].log().sum() + (1 - h)[~own].log().sum()) / B, s0=s, w_student=ws, w_teacher=wt)
out["crd.n_rows"], out["crd.tau"] = np.int64(N_ROWS), np.float64(TAU)

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "terms.npz")
np.savez(path, **out)
print(f"{len(out)} arrays, " + ", ".join(f"{k[:-5]} {float(v):.4f}" for k, v in out.items() if k.endswith(".loss")))
