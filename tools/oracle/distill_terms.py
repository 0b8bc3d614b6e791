#!/usr/bin/env python3
"""Terms of distillation on whole models against PyTorch and transformers: TAP on stdout.

    distill_terms.py --dscompress BIN [--golden tests/golden]

A BERT learns from an MPNet with its own tokenizer, and from itself in reverse order of layers. The loss of
the first step, on all rows in one batch, is computed again from transformers' hidden states, attention maps,
queries, keys, values and features.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

try:
    import torch
    import torch.nn.functional as F
    from transformers import AutoModelForSequenceClassification
except ImportError:
    print("1..0 # SKIP torch or transformers is not installed")
    sys.exit(0)

TOL, TEMPERATURE = 2e-5, 3.0
TEXTS = ["Call now to claim your FREE prize!", "ok, see you later tonight", "love you", "the gift is at home",
         "urgent: your bank account", "win cash, reply now", "see you at home later", "text stop to win a card"]


def call(*args):
    r = subprocess.run(args, capture_output=True, text=True, timeout=300)
    if r.returncode:
        raise RuntimeError((r.stderr.strip() or f"exit {r.returncode}").splitlines()[0])
    return r.stdout


def modules(model):
    """Layers as (query, key, value), and the layer whose input the logits are made of."""
    kind = model.config.model_type
    if kind == "bert":
        at = [layer.attention.self for layer in model.bert.encoder.layer]
        return [(a.query, a.key, a.value) for a in at], model.classifier
    at = [layer.attention.attn for layer in model.mpnet.encoder.layer]
    return [(a.q, a.k, a.v) for a in at], model.classifier.out_proj


class Run:
    """One text through a model, and what was seen inside."""

    def __init__(self, model, ids):
        seen, hooks = {}, []
        layers, last = modules(model)
        for i, qkv in enumerate(layers):
            for name, m in zip("qkv", qkv):
                hooks.append(m.register_forward_hook(lambda m, x, y, key=(name, i + 1): seen.__setitem__(key, y[0])))
        hooks.append(last.register_forward_hook(lambda m, x, y: seen.__setitem__("features", x[0][0])))
        with torch.no_grad():
            out = model(torch.tensor([ids]), output_hidden_states=True, output_attentions=True)
        for h in hooks:
            h.remove()
        self.logits, self.features = out.logits[0], seen["features"]
        self.hidden = [h[0] for h in out.hidden_states]
        self.maps = [None] + [a[0] for a in out.attentions]
        self.n_heads = model.config.num_attention_heads
        self.seen = seen

    def heads(self, name, layer, n):
        x = self.seen[name, layer]
        return x.view(x.shape[0], n, -1).transpose(0, 1)


def kl(p, q):
    return (p * (p.log() - q.log())).sum(-1).mean()


def relation(x):
    return (x @ x.transpose(-1, -2) / x.shape[-1] ** 0.5).softmax(-1)


def row_terms(s, t, pairs):
    """Of one row, by the text of --term; the layers of pairs, for terms that take a map."""
    mapped = ",map=" + "/".join(f"{a}:{b}" for a, b in pairs)
    top, top_t = len(s.hidden) - 1, len(t.hidden) - 1
    norm = lambda x: F.normalize(x, dim=-1)
    n = s.n_heads
    return {
        "hidden" + mapped: sum(F.mse_loss(s.hidden[a], t.hidden[b]) for a, b in pairs),
        "hidden,loss=cosine" + mapped:
            sum((1 - F.cosine_similarity(s.hidden[a], t.hidden[b], dim=-1)).mean() for a, b in pairs),
        "embedding": F.mse_loss(s.hidden[0], t.hidden[0]),
        "attention" + mapped: sum(F.mse_loss(s.maps[a], t.maps[b]) for a, b in pairs),
        "attention,loss=kl" + mapped: sum(kl(t.maps[b], s.maps[a]) for a, b in pairs),
        "pkd" + mapped: sum((norm(s.hidden[a][0]) - norm(t.hidden[b][0])).pow(2).sum() for a, b in pairs),
        "relation": kl(t.maps[top_t], s.maps[top])
            + kl(relation(t.heads("v", top_t, n)), relation(s.heads("v", top, n))),
        "relation2,heads=8": sum(kl(relation(t.heads(k, top_t, 8)), relation(s.heads(k, top, 8))) for k in "qkv"),
    }


def rkd(s, t):
    def distances(x):
        d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        return d / d[d > 0].mean()

    def angles(x):
        e = F.normalize(x.unsqueeze(0) - x.unsqueeze(1), dim=2)
        return torch.bmm(e, e.transpose(1, 2))

    return F.smooth_l1_loss(distances(s), distances(t)) + 2 * F.smooth_l1_loss(angles(s), angles(t))


def ids_of(binary, folder, data):
    out = call(binary, "tokenize", folder, "--data", data, "-q")
    return [json.loads(line)["ids"] for line in out.splitlines()]


def expected(binary, student, teacher, data, pairs):
    models = [AutoModelForSequenceClassification.from_pretrained(m, attn_implementation="eager").double().eval()
              for m in (student, teacher)]
    rows = [[Run(m, ids) for ids in ids_of(binary, f, data)] for m, f in zip(models, (student, teacher))]
    soft = torch.stack([TEMPERATURE ** 2 * kl((t.logits / TEMPERATURE).softmax(-1), (s.logits / TEMPERATURE).softmax(-1))
                        for s, t in zip(*rows)]).mean()
    each = [row_terms(s, t, pairs) for s, t in zip(*rows)]
    terms = {k: sum(e[k] for e in each) / len(each) for k in each[0]}
    terms["rkd"] = rkd(*(torch.stack([r.features for r in side]) for side in rows))
    return {k: (soft + 0.5 * v).item() for k, v in terms.items()}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    p.add_argument("--golden", default="tests/golden")
    a = p.parse_args()
    hf = os.path.join(a.golden, "hf")
    n, failed = 0, False
    with tempfile.TemporaryDirectory() as tmp:
        data = os.path.join(tmp, "rows.tsv")
        labels = ["ham", "spam", "smish"]
        with open(data, "w") as f:
            f.write("text\tlabel\n" + "".join(f"{t}\t{labels[i % 3]}\n" for i, t in enumerate(TEXTS)))
        for name, pairs in (("mpnet", [(1, 1), (2, 2)]), ("bert", [(1, 2), (2, 1)])):
            student, teacher = os.path.join(hf, "bert", "cls"), os.path.join(hf, name, "cls")
            for term, want in expected(a.dscompress, student, teacher, data, pairs).items():
                report = json.loads(call(a.dscompress, "distill", student, "--teacher", teacher, "--train", data,
                                         "--alpha", "1", "--temperature", str(TEMPERATURE), "--dropout", "0",
                                         "--max-length", "32", "--term", term + ",weight=0.5", "-n", "-q", "--json", "-o",
                                         os.path.join(tmp, "x.onnx")))
                n += 1
                good = abs(report["loss"] - want) <= TOL * max(1, abs(want))
                failed |= not good
                print(f"{'ok' if good else 'not ok'} {n} - bert from {name}, {term}: {report['loss']:.6f}, "
                      f"transformers {want:.6f}")
    print(f"1..{n}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
