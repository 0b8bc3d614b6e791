#!/usr/bin/env python3
"""PyTorch's fine-tune of all-MiniLM-L6-v2: the figure that `dscompress train` is held against.

    python text_reference.py --data sms.tsv --positive spam [--seeds 1] [--out DIR] [--device cuda]
    python text_reference.py --data movie.tsv --positive pos --seeds 1,2,3

Needs torch and transformers. DATA is a TSV of tools/fetch-assets, the model its minilm/. Same recipe
as the defaults of train: AdamW 5e-5, decay 0.01 on rank >= 2, clip 1.0, linear schedule with 10 %
warm-up, 3 epochs of batches of 32, 64 tokens, mean pooling, dropout 0.1 (also before the head), head
N(0, 0.02) with bias 0; split 70/10/20 by hash. One line per seed; predictions of dev and test go to
OUT/SEED.jsonl, with seconds per step.
"""
import argparse
import json
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import nn

import textdata

EPOCHS, BATCH, LENGTH, LR, WARMUP, DECAY, CLIP = 3, 32, 64, 5e-5, 0.1, 0.01, 1.0


class Classifier(nn.Module):
    def __init__(self, folder, n_classes):
        from transformers import AutoModel
        super().__init__()
        self.encoder = AutoModel.from_pretrained(folder, hidden_dropout_prob=0.1,
                                                 attention_probs_dropout_prob=0.1)
        self.encoder.pooler = None
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(self.encoder.config.hidden_size, n_classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids, mask):
        h = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        m = mask.unsqueeze(-1).to(h.dtype)
        return self.head(self.drop((h * m).sum(1) / m.sum(1)))


def encode(tok, texts):
    out = []
    for text in texts:
        ids = tok.encode(text).ids
        out.append(ids if len(ids) <= LENGTH else ids[:LENGTH - 1] + ids[-1:])
    return out


def pad(rows, device):
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, r in enumerate(rows):
        ids[i, :len(r)] = torch.tensor(r)
        mask[i, :len(r)] = 1
    return ids.to(device), mask.to(device)


def optimizer(model):
    named = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW([{"params": [p for p in named if p.dim() >= 2], "weight_decay": DECAY},
                              {"params": [p for p in named if p.dim() < 2], "weight_decay": 0.0}],
                             lr=LR)


def lr_factor(step, n_steps):
    n_warmup = max(1, round(WARMUP * n_steps))
    return (step + 1) / n_warmup if step < n_warmup else (n_steps - step) / (n_steps - n_warmup)


def train(model, rows, labels, seed):
    order = np.random.default_rng(seed)
    n_steps = EPOCHS * ((len(rows) + BATCH - 1) // BATCH)
    opt, step, seconds = optimizer(model), 0, []
    model.train()
    for _ in range(EPOCHS):
        perm = order.permutation(len(rows))
        for i in range(0, len(perm), BATCH):
            began = time.process_time()
            idx = perm[i:i + BATCH]
            for group in opt.param_groups:
                group["lr"] = LR * lr_factor(step, n_steps)
            loss = F.cross_entropy(model(*pad([rows[j] for j in idx], labels.device)), labels[idx])
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            opt.step()
            step += 1
            seconds.append(time.process_time() - began)
            if step % 50 == 0:
                print(f"  step {step}/{n_steps} loss {loss.item():.4f}", flush=True)
    return float(np.median(seconds))


def predict(model, rows):
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    out = torch.zeros(len(rows), model.head.out_features)
    device = model.head.weight.device
    with torch.no_grad():
        for i in range(0, len(order), BATCH):
            idx = order[i:i + BATCH]
            out[idx] = model(*pad([rows[j] for j in idx], device)).softmax(-1).cpu()
    return out.numpy()


def scores(truth, pred):
    tp = int((pred * truth).sum())
    wrong = int((pred != truth).sum())
    return {"f1": 2 * tp / max(1, int(pred.sum() + truth.sum())),
            "accuracy": 1 - wrong / len(truth), "n": len(truth)}


def one_seed(a, parts, seed):
    torch.manual_seed(seed)
    tok = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
    tok.no_padding()
    tok.no_truncation()
    model = Classifier(a.model, 2).to(a.device)
    texts, labels = zip(*parts["train"])
    s = train(model, encode(tok, texts), torch.tensor(labels, device=a.device), seed)
    result = {"seed": seed, "s_per_step_cpu": round(s, 4)}
    lines = []
    for part in ("dev", "test"):
        texts, labels = zip(*parts[part])
        p = predict(model, encode(tok, texts))
        result[part] = scores(np.array(labels), p.argmax(1))
        lines += [{"part": part, "text": t, "label": y, "prediction": int(q.argmax()),
                   "probability": round(float(q[1]), 6)} for t, y, q in zip(texts, labels, p)]
    if a.out:
        os.makedirs(a.out, exist_ok=True)
        with open(os.path.join(a.out, f"{seed}.jsonl"), "w", encoding="utf-8") as f:
            f.writelines(json.dumps(x, ensure_ascii=False) + "\n" for x in lines)
    print(json.dumps(result), flush=True)


def main():
    cache = os.environ.get("DSC_CACHE") or os.path.expanduser("~/.cache/dscompress")
    assets = os.environ.get("DSC_ASSETS") or os.path.join(cache, "assets")
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True)
    p.add_argument("--positive", required=True)
    p.add_argument("--model", default=os.path.join(assets, "minilm"))
    p.add_argument("--seeds", default="1")
    p.add_argument("--device", default="cpu")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--out")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    parts = textdata.split(textdata.tsv(a.data, a.positive))
    print({k: (len(v), sum(y for _, y in v)) for k, v in parts.items()})
    for seed in a.seeds.split(","):
        one_seed(a, parts, int(seed))


if __name__ == "__main__":
    main()
