#!/usr/bin/env python3
"""Write the golden files of this folder: PyTorch's outputs, gradients and training runs.

    python gen_torch.py [OUT_DIR]

Weights and inputs are float32; everything expected is computed in float64 from those float32
values and rounded to float32 at the end (losses stay float64). The same versions write the same
bytes. See README.md for the arrays of each file.
"""
import os
import sys
import warnings

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
OPSET_TORCHSCRIPT = 17
OPSET_DYNAMO = 18


# --- the three models -----------------------------------------------------------------------

class TinyBert(nn.Module):
    """Two post-norm encoder layers, mean pooling over the mask, a linear head."""

    def __init__(self, attention, hidden_size=32, num_hidden_layers=2, intermediate_size=64):
        from transformers import BertConfig, BertModel
        super().__init__()
        self.encoder = BertModel(BertConfig(
            vocab_size=100, hidden_size=hidden_size, num_hidden_layers=num_hidden_layers,
            num_attention_heads=4, intermediate_size=intermediate_size,
            max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            attn_implementation=attention), add_pooling_layer=False)
        self.classifier = nn.Linear(hidden_size, 3)

    def forward(self, input_ids, attention_mask):
        h = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        m = attention_mask.unsqueeze(-1).to(h.dtype)
        pooled = (h * m).sum(1) / m.sum(1).clamp(min=1e-9)
        return self.classifier(pooled)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 24)
        self.norm = nn.LayerNorm(24, eps=1e-5)
        self.drop = nn.Dropout(0.1)
        self.fc2 = nn.Linear(24, 24)
        self.fc3 = nn.Linear(24, 4)

    def forward(self, x):
        h = self.drop(F.gelu(self.norm(self.fc1(x))))
        h = h + self.drop(F.gelu(self.fc2(h), approximate="tanh"))
        return self.fc3(h)


class Mixed(nn.Module):
    """Einsum attention with a gathered key bias, Where, Softmax, and shape operators."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(40, 12)
        self.bias_table = nn.Parameter(torch.empty(5, 2))
        self.wq = nn.Parameter(torch.empty(2, 12, 6))
        self.wk = nn.Parameter(torch.empty(2, 12, 6))
        self.wv = nn.Parameter(torch.empty(2, 12, 6))
        self.gain = nn.Parameter(torch.empty(12))
        self.slope = nn.Parameter(torch.empty(12))
        self.out = nn.Linear(24, 3)

    def forward(self, tokens, keep):
        e = self.table(tokens)                                        # [B,T,12]
        rms = e.pow(2).mean(-1, keepdim=True).add(1e-6).rsqrt()
        e = e * rms * self.gain
        e = torch.where(e > 0, e, e * self.slope)
        q = torch.einsum("btd,hde->bhte", e, self.wq)
        k = torch.einsum("btd,hde->bhte", e, self.wk)
        v = torch.einsum("btd,hde->bhte", e, self.wv)
        s = torch.einsum("bhie,bhje->bhij", q, k) / 6 ** 0.5
        s = s + self.bias_table[tokens % 5].permute(0, 2, 1).unsqueeze(2)
        s = torch.where(keep[:, None, None, :], s, torch.full_like(s, -1e4))
        a = torch.einsum("bhij,bhje->bihe", s.softmax(-1), v).flatten(2)  # [B,T,12]
        a = torch.tanh(a) + F.silu(e)
        m = keep.unsqueeze(-1).to(a.dtype)
        mean = (a * m).sum(1) / m.sum(1)
        top = torch.where(keep.unsqueeze(-1), a, torch.full_like(a, -1e4)).amax(1)
        return self.out(torch.cat([mean, top.abs().add(0.5).log()], -1))


def fill(model, seed):
    """Larger than usual weights, so that no parameter is without effect."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            n = torch.randn(p.shape, generator=g, dtype=torch.float64)
            is_gain = "norm" in name.lower() and name.endswith("weight") or name.endswith("gain")
            if is_gain:
                p.copy_(1.0 + 0.1 * n)
            elif name == "slope":
                p.copy_(0.25 + 0.1 * n)
            else:
                p.copy_((0.3 if p.dim() > 1 else 0.1) * n)
    return model


def rng_inputs(seed):
    r = np.random.default_rng(seed)

    def ids(shape, n_words):
        return torch.from_numpy(r.integers(4, n_words, shape).astype(np.int64))

    def mask(lengths, width):
        return torch.tensor([[int(t < n) for t in range(width)] for n in lengths])
    return r, ids, mask


def case_tiny_bert():
    r, ids, mask = rng_inputs(1)
    m = mask([12, 7, 3, 10], 12)
    return {"input_ids": ids((4, 12), 100) * m, "attention_mask": m}, torch.tensor([0, 2, 1, 2])


def case_mlp():
    r, _, _ = rng_inputs(2)
    x = torch.from_numpy(r.standard_normal((6, 10)).astype(np.float32))
    return {"x": x}, torch.tensor([0, 1, 2, 3, 1, 0])


def case_mixed():
    r, ids, mask = rng_inputs(3)
    return ({"tokens": ids((3, 7), 40), "keep": mask([7, 4, 5], 7).bool()},
            torch.tensor([2, 0, 1]))


# --- export and names -----------------------------------------------------------------------

def export(model, inputs, path, is_dynamo):
    """Batch (and for ids the length) are free dimensions, as users export them."""
    names = list(inputs)
    args = tuple(inputs.values())
    has_time = "input_ids" in inputs
    kw = dict(input_names=names, output_names=["logits"])
    if is_dynamo:
        batch = torch.export.Dim("batch", min=1, max=64)
        time = torch.export.Dim("time", min=2, max=16)
        dims = {n: ({0: batch, 1: time} if has_time else {0: batch}) for n in names}
        torch.onnx.export(model, args, path, dynamo=True, opset_version=OPSET_DYNAMO,
                          dynamic_shapes=dims, external_data=False, verbose=False, **kw)
    else:
        axes = {n: ({0: "batch", 1: "time"} if has_time else {0: "batch"}) for n in names}
        axes["logits"] = {0: "batch"}
        torch.onnx.export(model, args, path, dynamo=False, opset_version=OPSET_TORCHSCRIPT,
                          dynamic_axes=axes, **kw)
    graph = onnx.load(path)
    strip(graph)
    onnx.save(graph, path)
    onnx.checker.check_model(graph, full_check=True)
    return graph


def strip(graph):
    """Doc strings and per-node metadata hold stack traces with local paths."""
    for node in graph.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in list(graph.graph.value_info) + list(graph.graph.input) + list(graph.graph.output):
        del value.metadata_props[:]
    for init in graph.graph.initializer:
        del init.metadata_props[:]
    del graph.graph.metadata_props[:]
    del graph.metadata_props[:]
    graph.graph.doc_string = ""
    del graph.functions[:]


def initializer_map(graph, model):
    """initializer name -> (parameter name, is_transposed), matched by value."""
    params = {n: p.detach().float().numpy() for n, p in model.named_parameters()}
    found, left = {}, dict(params)
    for init in graph.graph.initializer:
        a = numpy_helper.to_array(init)
        if a.dtype != np.float32 or a.size < 2 and init.name not in params:
            continue
        for name, p in params.items():
            if p.shape == a.shape and np.array_equal(p, a):
                found[init.name] = (name, False)
            elif p.ndim == 2 and p.T.shape == a.shape and np.array_equal(p.T, a):
                found[init.name] = (name, True)
            else:
                continue
            left.pop(name, None)
            break
    if left:
        raise SystemExit(f"parameters without an initializer: {sorted(left)}")
    return found


def oriented(array, is_transposed):
    return np.ascontiguousarray(array.T if is_transposed else array).astype(np.float32)


def as_double(inputs):
    return {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}


def save(name, arrays):
    np.savez(os.path.join(OUT, name + ".npz"), **arrays)


def write_export(stem, model, inputs, label):
    model.eval()
    graphs = {}
    for suffix, is_dynamo in (("ts", False), ("dynamo", True)):
        path = os.path.join(OUT, f"{stem}_{suffix}.onnx")
        graphs[suffix] = export(model, inputs, path, is_dynamo)
    maps = {s: initializer_map(g, model) for s, g in graphs.items()}
    model.double()
    model.zero_grad()
    logits = model(**as_double(inputs))
    loss = F.cross_entropy(logits, label)
    loss.backward()
    grads = {n: p.grad.numpy() for n, p in model.named_parameters()}
    save(f"{stem}.in", {k: v.numpy() for k, v in inputs.items()} | {"label": label.numpy()})
    save(f"{stem}.out", {"logits": logits.detach().float().numpy()})
    save(f"{stem}.loss", {"loss": np.float64(loss.item())})
    for suffix, m in maps.items():
        save(f"{stem}_{suffix}.grad",
             {init: oriented(grads[p], t) for init, (p, t) in m.items()})
    model.float()
    return maps["ts"]


# --- training runs --------------------------------------------------------------------------

N_STEPS = 20
N_WARMUP = 4
CLIP_NORM = 1.0


def lr_factor(step):
    """Step 0 is the first update: linear from 0 up to 1 at N_WARMUP, then linear to 0."""
    if step < N_WARMUP:
        return step / N_WARMUP
    return max(0.0, (N_STEPS - step) / (N_STEPS - N_WARMUP))


def batches():
    r, _, mask = rng_inputs(7)
    ids, masks, labels = [], [], []
    for _ in range(N_STEPS):
        m = mask(r.integers(3, 13, 4), 12)
        ids.append(torch.from_numpy(r.integers(4, 100, (4, 12)).astype(np.int64)) * m)
        masks.append(m)
        labels.append(torch.from_numpy(r.integers(0, 3, 4).astype(np.int64)))
    return torch.stack(ids), torch.stack(masks), torch.stack(labels)


def run_training(model, make_optimizer, dtype):
    """Losses before each update, gradient norms before clipping, learning rates, parameters."""
    model = model.to(dtype).train()
    opt = make_optimizer(model)
    base_lr = opt.param_groups[0]["lr"]
    ids, masks, labels = batches()
    losses, norms, lrs = [], [], []
    for step in range(N_STEPS):
        lr = base_lr * lr_factor(step)
        for group in opt.param_groups:
            group["lr"] = lr
        opt.zero_grad()
        loss = F.cross_entropy(model(ids[step], masks[step]), labels[step])
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        opt.step()
        losses.append(loss.item())
        norms.append(norm.item())
        lrs.append(lr)
    return losses, norms, lrs, {n: p.detach().double().numpy() for n, p in model.named_parameters()}


def adamw(model):
    decay = [p for p in model.parameters() if p.dim() >= 2]
    plain = [p for p in model.parameters() if p.dim() < 2]
    return torch.optim.AdamW([{"params": decay, "weight_decay": 0.01},
                              {"params": plain, "weight_decay": 0.0}],
                             lr=5e-3, betas=(0.9, 0.999), eps=1e-8)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=5e-2, momentum=0.9)


def write_training(init_map):
    ids, masks, labels = batches()
    save("train_batches", {"input_ids": ids.numpy(), "attention_mask": masks.numpy(),
                           "label": labels.numpy()})
    for name, make in (("adamw", adamw), ("sgd", sgd)):
        run = {}
        for dtype in (torch.float64, torch.float32):
            model = fill(TinyBert("eager"), 11)
            run[dtype] = run_training(model, make, dtype)
        losses, norms, lrs, params = run[torch.float64]
        drift = max(abs(a - b) for a, b in zip(losses, run[torch.float32][0]))
        worst = {n: float(np.abs(p - run[torch.float32][3][n]).max()) for n, p in params.items()}
        top = sorted(worst.items(), key=lambda kv: -kv[1])[:4]
        print(f"{name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}; float32 against float64: "
              f"loss {drift:.1e}; parameters " + ", ".join(f"{n} {d:.1e}" for n, d in top))
        save(f"train_{name}", {"loss": np.array(losses), "grad_norm": np.array(norms),
                               "lr": np.array(lrs)})
        save(f"train_{name}.params", {i: oriented(params[p], t) for i, (p, t) in init_map.items()})


def write_fresh():
    """A model as it is initialized: biases 0, gains 1. Exporters store equal tensors once."""
    def fresh():
        torch.manual_seed(3)
        return TinyBert("eager", hidden_size=16, num_hidden_layers=1, intermediate_size=32)
    inputs, _ = case_tiny_bert()
    for suffix, is_dynamo in (("ts", False), ("dynamo", True)):
        graph = export(fresh().eval(), inputs, os.path.join(OUT, f"fresh_bert_{suffix}.onnx"),
                       is_dynamo)
        print(f"fresh_bert_{suffix}: {sum(1 for _ in fresh().parameters())} parameters in "
              f"{len(graph.graph.initializer)} initializers")
    for name, make in (("adamw", adamw), ("sgd", sgd)):
        losses, norms, lrs, _ = run_training(fresh(), make, torch.float64)
        print(f"fresh {name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}")
        save(f"fresh_{name}", {"loss": np.array(losses), "grad_norm": np.array(norms),
                               "lr": np.array(lrs)})


# --- learned step size quantization, by explicit formulas -------------------------------------

def lsq(x, scale, qmin, qmax, zero_point, dy):
    """Esser et al. 2020 with an integer zero point; scale broadcasts against x.

    v = x/s; y = s*(clip(round(v) + z, qmin, qmax) - z), round half to even.
    lo = qmin - z, hi = qmax - z:   dx = dy where lo < v < hi, else 0
    dy/ds = round(v) - v inside, lo where v <= lo, hi where v >= hi
    ds = g * sum(dy * dy/ds),  g = 1/sqrt(N*qmax), N = elements that share one scale
    """
    v = x / scale
    lo, hi = qmin - zero_point, qmax - zero_point
    inside = (v > lo) & (v < hi)
    y = scale * (np.clip(np.rint(v) + zero_point, qmin, qmax) - zero_point)
    dyds = np.where(inside, np.rint(v) - v, np.where(v <= lo, lo, hi))
    n = x.size // scale.size
    axes = tuple(i for i, (a, b) in enumerate(zip(x.shape, scale.shape)) if a != b)
    axes = axes or tuple(range(x.ndim))
    ds = (dy * dyds).sum(axis=axes, keepdims=True).reshape(scale.shape) / np.sqrt(n * qmax)
    return y, np.where(inside, dy, 0.0), ds


def lsq_cases():
    r = np.random.default_rng(5)
    w = r.standard_normal((6, 5)) * np.array([0.02, 0.1, 0.5, 1.0, 3.0, 9.0])[:, None]
    act = r.standard_normal((4, 9)) * 1.5 + 0.7
    ties = np.arange(-9.0, 9.0, 0.5)[None, :] * 0.125 + 0.0
    per_row = (np.abs(w).mean(1) * 2 / np.sqrt(7)).reshape(6, 1)
    per_col = (np.abs(w).mean(0) * 2 / np.sqrt(7)).reshape(1, 5)
    one = np.array([[0.011]])
    yield "s8_tensor", w, np.array([[0.03]]), -127, 127, 0
    yield "s8_axis0", w, per_row / 60, -127, 127, 0
    yield "s8_axis1", w, per_col / 20, -127, 127, 0
    yield "s4_axis0", w, per_row * 0.4, -7, 7, 0
    yield "u8_tensor", act, one, 0, 255, 77
    yield "u8_zero", np.maximum(act, 0), one, 0, 255, 0
    yield "s4_ties", ties, np.array([[0.125]]), -7, 7, 0


def write_lsq():
    arrays = {}
    r = np.random.default_rng(6)
    for name, x, scale, qmin, qmax, zero in lsq_cases():
        x, scale = x.astype(np.float32).astype(np.float64), scale.astype(np.float32).astype(np.float64)
        dy = r.standard_normal(x.shape).astype(np.float32).astype(np.float64)
        v = x / scale
        is_tie = name.endswith("ties")
        margin = np.abs(v - np.floor(v) - 0.5)
        edge = np.minimum(np.abs(v - (qmin - zero)), np.abs(v - (qmax - zero)))
        if not is_tie and margin.min() < 1e-4 or name != "u8_zero" and not is_tie and edge.min() < 1e-4:
            raise SystemExit(f"{name}: a value too near a tie for float32")
        y, dx, ds = lsq(x, scale, qmin, qmax, zero, dy)
        n_clipped = int(((v < qmin - zero) | (v > qmax - zero)).sum())
        print(f"lsq {name}: {x.size} values, {n_clipped} clipped")
        arrays |= {f"{name}.x": x, f"{name}.scale": scale, f"{name}.dy": dy, f"{name}.y": y,
                   f"{name}.dx": dx, f"{name}.dscale": ds,
                   f"{name}.range": np.array([qmin, qmax, zero], np.int64)}
    save("lsq", arrays)


# --- other quantizers, by autograd -------------------------------------------------------------

class RoundSte(torch.autograd.Function):
    """round half to even whose gradient is 1 (straight through)."""
    @staticmethod
    def forward(ctx, v):
        return torch.round(v)

    @staticmethod
    def backward(ctx, dy):
        return dy


def lsq_plus(x, scale, beta, qmax):
    """Bhalgat et al. 2020, eq. 1 and 2: round(clamp((x - beta)/s, 0, p)) s + beta, with the beta that an
    integer zero point stands for; to gradients beta is a number of its own."""
    snapped = beta + (-torch.round(-beta / scale) * scale - beta).detach()
    return RoundSte.apply(torch.clamp((x - snapped) / scale, 0, qmax)) * scale + snapped


def pact(x, alpha, qmax):
    """Choi et al. 2018, eq. 1 to 3: y = 0.5 (|x| - |x - alpha| + alpha), rounded to k bits."""
    y = 0.5 * (x.abs() - (x - alpha).abs() + alpha)
    step = (alpha / qmax).detach()  # the gradient of alpha is that of the clip alone
    return RoundSte.apply(y / step) * step


def ternary(w, axis):
    """TernaryBERT eq. 5 (TWN): threshold 0.7 mean |w|, the mean of what is above it, straight through."""
    with torch.no_grad():
        cut = 0.7 * w.abs().mean(axis, keepdim=True)
        kept = (w.abs() > cut).double()
        alpha = (w.abs() * kept).sum(axis, keepdim=True) / kept.sum(axis, keepdim=True)
        q = alpha * torch.sign(w) * kept
    return w + (q - w).detach()


def binary(w, axis):
    """BinaryBERT eq. 2 (BWN): sign(w) mean |w|, sign(0) = 1, straight through."""
    with torch.no_grad():
        q = torch.where(w >= 0, 1.0, -1.0) * w.abs().mean(axis, keepdim=True)
    return w + (q - w).detach()


def write_quantizers():
    r = np.random.default_rng(9)
    arrays = {}

    def case(name, fn, x, *learned):
        dy = r.standard_normal(x.shape).astype(np.float32).astype(np.float64)
        t = [torch.from_numpy(np.asarray(a, np.float32).astype(np.float64)).requires_grad_()
             for a in (x, *learned)]
        y = fn(*t)
        y.backward(torch.from_numpy(dy))
        arrays.update({f"{name}.x": t[0].detach().numpy(), f"{name}.dy": dy,
                       f"{name}.y": y.detach().numpy(), f"{name}.dx": t[0].grad.numpy()})
        for i, v in enumerate(t[1:]):
            arrays.update({f"{name}.p{i}": v.detach().numpy().reshape(1),
                           f"{name}.dp{i}": v.grad.numpy().reshape(1)})

    act = r.standard_normal((7, 31)) * 1.5 + 0.7
    case("lsq_plus_u8", lambda x, s, b: lsq_plus(x, s, b, 255), act, 0.011, -0.6037)
    case("lsq_plus_u4", lambda x, s, b: lsq_plus(x, s, b, 15), act, 0.17, -1.02)
    case("pact_u8", lambda x, a: pact(x, a, 255), act, 1.9)
    case("pact_u2", lambda x, a: pact(x, a, 3), act, 2.3)
    w = r.standard_normal((6, 50)) * np.array([0.02, 0.1, 0.5, 1.0, 3.0, 9.0])[:, None]
    w[2, 7] = 0
    case("ternary_axis0", lambda v: ternary(v, 1), w)
    case("ternary_axis1", lambda v: ternary(v, 0), w)
    case("binary_axis0", lambda v: binary(v, 1), w)
    case("binary_axis1", lambda v: binary(v, 0), w)
    save("quantizers", arrays)


# --- losses -----------------------------------------------------------------------------------

def write_losses():
    r = np.random.default_rng(8)
    a = {}

    def grad(name, fn, x, **others):
        t = torch.from_numpy(x).requires_grad_()
        loss = fn(t)
        loss.backward()
        a.update({f"{name}.x": x, f"{name}.loss": np.float64(loss.item()), f"{name}.dx": t.grad.numpy()})
        a.update({f"{name}.{k}": v for k, v in others.items()})

    x = r.standard_normal((5, 4)) * 3
    far = np.array([[1000.0, -1000.0, 0.0, 3.0], [-80.0, 80.0, 79.0, 0.0]])
    y5, y2 = np.array([0, 3, 1, 1, 2]), np.array([1, 2])
    for name, logits, lab in (("ce", x, y5), ("ce_far", far, y2)):
        grad(name, lambda t: F.cross_entropy(t, torch.from_numpy(lab)), logits, label=lab)
    lab = np.array([0, -100, 1, -100, 2])
    grad("ce_ignore", lambda t: F.cross_entropy(t, torch.from_numpy(lab)), x, label=lab)
    grad("ce_smooth", lambda t: F.cross_entropy(t, torch.from_numpy(y5), label_smoothing=0.1), x,
         label=y5)
    target = r.uniform(size=(5, 4))
    for name, logits, tgt in (("bce", x, target), ("bce_far", far, np.eye(4)[[0, 0]])):
        grad(name, lambda t: F.binary_cross_entropy_with_logits(t, torch.from_numpy(tgt)), logits,
             target=tgt)
    grad("mse", lambda t: F.mse_loss(t, torch.from_numpy(target)), x, target=target)
    teacher = r.standard_normal((5, 4)) * 4

    def kl(t, temp):
        return temp ** 2 * F.kl_div(F.log_softmax(t / temp, -1),
                                    F.log_softmax(torch.from_numpy(teacher) / temp, -1),
                                    reduction="batchmean", log_target=True)
    for temp in (1.0, 3.0):
        grad(f"kl_t{temp:.0f}", lambda t: kl(t, temp), x, teacher=teacher,
             temperature=np.float64(temp))
    grad("distill", lambda t: 0.7 * kl(t, 3.0) + 0.3 * F.cross_entropy(t, torch.from_numpy(y5)), x,
         teacher=teacher, label=y5, temperature=np.float64(3.0), alpha=np.float64(0.7))
    save("losses", a)


def main():
    os.makedirs(OUT, exist_ok=True)
    init_map = write_export("tiny_bert", fill(TinyBert("eager"), 11), *case_tiny_bert())
    write_export("mlp", fill(Mlp(), 12), *case_mlp())
    write_export("mixed", fill(Mixed(), 13), *case_mixed())
    write_training(init_map)
    write_fresh()
    write_lsq()
    write_quantizers()
    write_losses()


if __name__ == "__main__":
    main()
