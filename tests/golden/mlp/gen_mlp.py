#!/usr/bin/env python3
"""Write the golden files of this folder: small models on tables, and what others say of them.

    python gen_mlp.py [OUT_DIR]

Made with PyTorch (models, training runs), scikit-learn (metrics) and hashlib (splits); the rows are
drawn, no real data are in them. Expected numbers are computed in float64 from float32 weights and
rows. The same versions write the same bytes. See README.md.
"""
import hashlib
import json
import os
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from sklearn import metrics
from torch import nn

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
N, N_STEPS = 300, 20


class Classes(nn.Module):
    """Three classes from ten numbers and a kind of five."""

    def __init__(self):
        super().__init__()
        self.kinds = nn.Embedding(5, 4)
        self.fc1 = nn.Linear(14, 24)
        self.fc2 = nn.Linear(24, 24)
        self.out = nn.Linear(24, 3)

    def forward(self, x, kind):
        h = torch.cat([x, self.kinds(kind)], 1)
        return self.out(F.relu(self.fc2(F.relu(self.fc1(h)))))


def one_output():
    return nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))


class Ending(nn.Module):
    """Probabilities, behind some other output."""

    def __init__(self, model, of):
        super().__init__()
        self.model, self.of = model, of

    def forward(self, *x):
        logits = self.model(*x)
        return logits * 2, self.of(logits)


def rows_of_classes(r):
    kind = r.integers(0, 5, N)
    centre = r.standard_normal((3, 10))
    shift = r.standard_normal((5, 10)) * 0.5
    label = r.integers(0, 3, N)
    x = centre[label] + shift[kind] + r.standard_normal((N, 10)) * 1.3
    return {"x": x.astype(np.float32), "kind": kind.astype(np.int64), "label": label.astype(np.int64)}


def rows_of_two(r):
    x = r.standard_normal((N, 12)).astype(np.float32)
    z = 1.5 * x[:, 0] - x[:, 1] * x[:, 2] + 0.5 * np.abs(x[:, 3]) + 0.7 * r.standard_normal(N)
    return {"x": x, "label": (z > 0.4).astype(np.int64)}


def rows_of_values(r):
    x = r.standard_normal((N, 12)).astype(np.float32)
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + 0.1 * r.standard_normal(N)
    return {"x": x, "label": y.astype(np.float32)}


def inputs_of(rows):
    return [torch.from_numpy(v) for k, v in rows.items() if k != "label"]


def fit(model, rows, loss, n_steps=300):
    torch.manual_seed(5)
    for p in model.parameters():
        if p.ndim > 1:
            nn.init.normal_(p, 0, 0.4)
        else:
            nn.init.zeros_(p)
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(n_steps):
        opt.zero_grad()
        loss(model(*inputs_of(rows)), rows["label"]).backward()
        opt.step()
    return model.eval()


def export(name, model, rows, n_rows=None, outputs=("logits",)):
    """n_rows: the model takes so many at a time; else any number."""
    names = [k for k in rows if k != "label"]
    torch.onnx.export(model, tuple(t[:n_rows or 2] for t in inputs_of(rows)), os.path.join(OUT, name + ".onnx"),
                      input_names=names, output_names=list(outputs), opset_version=17, dynamo=False,
                      dynamic_axes=None if n_rows else {k: {0: "rows"} for k in names + list(outputs)})


def outputs(model, rows):
    with torch.no_grad():
        return model.double()(*[t.double() if t.is_floating_point() else t for t in inputs_of(rows)])


def part_of(rows, i):
    """As a split has it: inputs in the order of their names, 70/10/20; t(rain), d(ev) or (t)e(st)."""
    data = b"".join(rows[k][i].tobytes() for k in sorted(rows) if k != "label")
    bucket = int(hashlib.sha256(data).hexdigest()[:8], 16) % 100
    return "t" if bucket < 70 else "d" if bucket < 80 else "e"


def save(name, arrays):
    np.savez(os.path.join(OUT, name + ".npz"), **arrays)


def bce(out, label):
    return F.binary_cross_entropy_with_logits(out, torch.from_numpy(label).to(out.dtype)[:, None])


def write_training(model, rows):
    """Full batches, so that the order of rows does not matter. Returns the losses at the end."""
    last = {}
    start = {k: v.double().clone() for k, v in model.state_dict().items()}
    for name, make in (("sgd", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
                       ("adamw", lambda p: torch.optim.AdamW(p, lr=3e-3, weight_decay=0))):
        model = one_output().double()
        model.load_state_dict(start)
        opt = make(model.parameters())
        losses = []
        for _ in range(N_STEPS):
            opt.zero_grad()
            loss = bce(model(*[t.double() for t in inputs_of(rows)]), rows["label"])
            loss.backward()
            opt.step()
            losses.append(loss.item())
        arrays = {k: v.numpy().astype(np.float32) for k, v in model.state_dict().items()}
        arrays["losses"] = np.array(losses)
        with torch.no_grad():
            logits = model(*[t.double() for t in inputs_of(rows)])
        arrays["logits"] = logits.numpy().astype(np.float32)
        last[name] = bce(logits, rows["label"]).item()
        save("binary." + name, arrays)
    return last


def main():
    want = {}
    r = np.random.default_rng(21)
    rows = rows_of_classes(r)
    model = fit(Classes(), rows, lambda o, y: F.cross_entropy(o, torch.from_numpy(y)), 60)
    export("classes", model, rows)
    export("classes.softmax", Ending(model, lambda t: F.softmax(t, -1)), rows, outputs=("other", "probs"))
    save("classes", rows)
    logits, y = outputs(model, rows), rows["label"]
    p = logits.argmax(1).numpy()
    want["classes"] = {"accuracy": metrics.accuracy_score(y, p),
                       "f1-macro": metrics.f1_score(y, p, average="macro"),
                       "mcc": metrics.matthews_corrcoef(y, p),
                       "log-loss": metrics.log_loss(y, F.softmax(logits, 1).numpy())}
    want["parts"] = "".join(part_of(rows, i) for i in range(N))

    rows = rows_of_two(r)
    model = fit(one_output(), rows, bce, 40)
    export("binary", model, rows)
    export("binary.sigmoid", Ending(model, torch.sigmoid), rows, outputs=("other", "probs"))
    export("binary.single", model, rows, 1)
    export("binary.pair", model, rows, 2)
    save("binary", rows)
    want["bce"] = write_training(model, rows)
    logits, y = outputs(model, rows)[:, 0], rows["label"]
    p = (logits > 0).numpy().astype(int)
    prob = torch.sigmoid(logits).numpy()
    want["binary"] = {"accuracy": metrics.accuracy_score(y, p), "f1": metrics.f1_score(y, p),
                      "precision": metrics.precision_score(y, p), "recall": metrics.recall_score(y, p),
                      "roc-auc": metrics.roc_auc_score(y, prob),
                      "ap": metrics.average_precision_score(y, prob),
                      "log-loss": metrics.log_loss(y, prob)}

    rows = rows_of_values(r)
    model = fit(one_output(), rows, lambda o, y: F.mse_loss(o[:, 0], torch.from_numpy(y)), 100)
    export("values", model, rows)
    save("values", rows)
    got, y = outputs(model, rows)[:, 0].numpy(), rows["label"].astype(np.float64)
    want["values"] = {"mse": metrics.mean_squared_error(y, got),
                      "pearson": float(np.corrcoef(y, got)[0, 1])}
    with open(os.path.join(OUT, "mlp.json"), "w") as f:
        json.dump(want, f, indent=1)
        f.write("\n")
    print(want["classes"], want["binary"], want["values"])


if __name__ == "__main__":
    main()
