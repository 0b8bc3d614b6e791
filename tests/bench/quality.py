#!/usr/bin/env python3
"""Quality over seeds: fine-tune, quantize by PTQ and QAT, pool the predictions, print one table.

    tests/bench/quality.py run DSCOMPRESS MODEL DATA POSITIVE OUT [--seeds 1,2,3,4,5] [--no-qat]
                           [--epochs N] [--threads N]
    tests/bench/quality.py table OUT [--torch DIR]

run writes OUT/SEED.{fp32,ptq,qat}.jsonl, the predictions on the test part of --split 70/10/20, and
skips what is there, so that it can be stopped and go on; other flags are the defaults of train and
quantize, with 64 tokens. table needs numpy and scikit-learn. Its intervals are 95 % bootstraps that
draw rows of the test part and keep all seeds of a drawn row. --torch is the folder that
tools/oracle/text_reference.py --out wrote from the same data.
"""
import argparse
import json
import os
import subprocess
import sys

N_DRAWS = 2000


def dsc(a, *args):
    subprocess.run([a.dscompress, *map(str, args), "-j", str(a.threads), "--progress", "none",
                    "--quiet", "-f"], check=True, stdout=subprocess.DEVNULL)


def predict(a, model, name):
    tmp = os.path.join(a.out, name + ".part")
    dsc(a, "eval", model, "--data", a.data, "--split", "70/10/20", "--part", "test",
        "--predictions", tmp)
    os.rename(tmp, os.path.join(a.out, name + ".jsonl"))


def one_seed(a, seed):
    split, draws = ["--split", "70/10/20"], ["--seed", seed]
    path = {kind: os.path.join(a.out, f"{seed}.{kind}.onnx") for kind in ("fp32", "ptq", "qat")}
    todo = [k for k in path if not os.path.exists(os.path.join(a.out, f"{seed}.{k}.jsonl"))]
    if a.no_qat and "qat" in todo:
        todo.remove("qat")
    if todo and not os.path.exists(path["fp32"]):
        dsc(a, "train", a.model, "--train", a.data, "--eval", a.data, "--positive", a.positive,
            "--max-length", 64, "--epochs", a.epochs, *split, *draws,
            "-o", path["fp32"])
    if "ptq" in todo:
        dsc(a, "quantize", path["fp32"], "--calib", a.data, *split, "-o", path["ptq"])
    if "qat" in todo:
        dsc(a, "quantize", path["fp32"], "--method", "qat", "--train", a.data, "--eval", a.data,
            *split, *draws, "-o", path["qat"])
    for kind in todo:
        predict(a, path[kind], f"{seed}.{kind}")
        print(f"seed {seed}: {kind}", flush=True)


def run(a):
    os.makedirs(a.out, exist_ok=True)
    for seed in a.seeds.split(","):
        one_seed(a, int(seed))


def load(folder, name):
    import numpy as np
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    rows = [r for r in rows if r.get("part", "test") == "test"]
    return (np.array([r["label"] for r in rows]), np.array([r["prediction"] for r in rows]))


def pooled(folder, kind, seeds):
    """Label [rows] and predictions [seeds, rows]."""
    import numpy as np
    got = [load(folder, f"{s}.{kind}.jsonl" if kind else f"{s}.jsonl") for s in seeds]
    return got[0][0], np.stack([p for _, p in got])


def score(metric, truth, pred):
    from sklearn import metrics
    truth = truth[None].repeat(len(pred), 0).ravel()
    return (metrics.accuracy_score if metric == "accuracy" else metrics.f1_score)(truth, pred.ravel())


def difference(metric, base, other, paired):
    import numpy as np
    rng = np.random.default_rng(0)
    point = score(metric, *other) - score(metric, *base)
    draws = []
    for _ in range(N_DRAWS):
        i = rng.integers(0, len(base[0]), len(base[0]))
        j = i if paired else rng.integers(0, len(other[0]), len(other[0]))
        draws.append(score(metric, other[0][j], other[1][:, j])
                     - score(metric, base[0][i], base[1][:, i]))
    low, high = np.percentile(draws, [2.5, 97.5])
    return point, low, high


def table(a):
    names = sorted(os.listdir(a.out))
    seeds = sorted(int(n.split(".")[0]) for n in names if n.endswith(".fp32.jsonl"))
    fp32 = pooled(a.out, "fp32", seeds)
    print("| model | seeds | rows | accuracy | accuracy - fp32 | F1 | F1 - fp32 | labels kept |\n"
          "|---|---|---|---|---|---|---|---|")

    def row(name, base, got, n_seeds, paired):
        cells = [name, n_seeds, got[1].size]
        for metric in ("accuracy", "f1"):
            cells.append(f"{score(metric, *got):.4f}")
            if got is base:
                cells.append("")
            else:
                cells.append("{:+.4f} ({:+.4f} .. {:+.4f})".format(
                    *difference(metric, base, got, paired)))
        same = got is not base and paired
        cells.append(f"{100 * (got[1] == base[1]).mean():.2f} % ({(got[1] != base[1]).sum()} flips)"
                     if same else "")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)

    row("fp32", fp32, fp32, len(seeds), True)
    for kind in ("ptq", "qat"):
        have = [s for s in seeds if f"{s}.{kind}.jsonl" in names]
        if have:
            row(kind, pooled(a.out, "fp32", have), pooled(a.out, kind, have), len(have), True)
    if a.torch:
        have = [s for s in seeds if os.path.exists(os.path.join(a.torch, f"{s}.jsonl"))]
        row("PyTorch fp32", fp32, pooled(a.torch, "", have), len(have), False)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = p.add_subparsers(dest="what", required=True)
    r = sub.add_parser("run")
    for name in ("dscompress", "model", "data", "positive", "out"):
        r.add_argument(name)
    r.add_argument("--seeds", default="1,2,3,4,5")
    r.add_argument("--epochs", type=int, default=3)
    r.add_argument("--threads", type=int, default=2)
    r.add_argument("--no-qat", action="store_true")
    t = sub.add_parser("table")
    t.add_argument("out")
    t.add_argument("--torch")
    a = p.parse_args()
    return {"run": run, "table": table}[a.what](a)


if __name__ == "__main__":
    sys.exit(main())
