"""Metrics of small random predictions by scikit-learn and scipy, bootstrap intervals by NumPy.

    python gen_metrics.py > metrics.json

The bootstrap takes its draws from an independent Philox4x32-10, so that the intervals of the C code
must be equal, not merely similar. Origin of the committed file: the versions in its "made_by".
"""
import json
import sys
import warnings

import numpy as np
import scipy
import scipy.stats
import sklearn
from sklearn import metrics as m

warnings.filterwarnings("ignore")
U32, U64 = np.uint32, np.uint64


def philox(key, c0, c1, c2, c3):
    c0, c1, c2, c3 = (np.asarray(c, U64) for c in (c0, c1, c2, c3))
    k0, k1 = U64(key[0]), U64(key[1])
    low, shift = U64(0xFFFFFFFF), U64(32)
    for _ in range(10):
        a, b = c0 * U64(0xD2511F53), c2 * U64(0xCD9E8D57)
        c0, c1, c2, c3 = (b >> shift) ^ c1 ^ k0, b & low, (a >> shift) ^ c3 ^ k1, a & low
        k0, k1 = (k0 + U64(0x9E3779B9)) & low, (k1 + U64(0xBB67AE85)) & low
    return c0, c1, c2, c3


def mix(key, value):
    out = philox(key, value & 0xFFFFFFFF, value >> 32, 0, 0x6D6978)
    return int(out[0]), int(out[1])


def mix_text(key, text):
    h = 0xCBF29CE484222325
    for c in text.encode():
        h = (h ^ c) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return mix(key, h)


def resample(seed, k, n):
    key = mix(mix_text(mix((0x64736321, 0), seed), "bootstrap"), k)
    blocks = np.arange((n + 3) // 4, dtype=U64)
    zero = np.zeros_like(blocks)
    x = np.stack(philox(key, blocks, zero, zero, zero), 1).ravel()[:n] * U64(n)
    assert ((x & U64(0xFFFFFFFF)) >= 2**32 % n).all(), "a rejected draw: pick another seed"
    return (x >> U64(32)).astype(int)


def labels_metrics(c):
    y, p, pos = np.array(c["y_true"]), np.array(c["y_pred"]), c["positive"]
    out = {
        "accuracy": m.accuracy_score(y, p),
        "mcc": m.matthews_corrcoef(y, p),
        "f1-macro": m.f1_score(y, p, average="macro"),
        "f1-micro": m.f1_score(y, p, average="micro"),
        "f1-weighted": m.f1_score(y, p, average="weighted"),
        "precision-macro": m.precision_score(y, p, average="macro"),
        "recall-macro": m.recall_score(y, p, average="macro"),
    }
    if pos >= 0:
        has_pos, has_neg = bool((y == pos).any()), bool((y != pos).any())
        b, q = (y == pos).astype(int), (p == pos).astype(int)
        for name, f in (("f1", m.f1_score), ("precision", m.precision_score), ("recall", m.recall_score)):
            out[name] = f(b, q) if has_pos else None
    if "prob" in c:
        prob = np.array(c["prob"])
        out["log-loss"] = m.log_loss(y, prob, labels=range(c["n_classes"]))
        if pos >= 0:
            out["roc-auc"] = m.roc_auc_score(b, prob[:, pos]) if has_pos and has_neg else None
            out["ap"] = m.average_precision_score(b, prob[:, pos]) if has_pos else None
    return out


def values_metrics(c):
    t, v = np.array(c["target"]), np.array(c["value"])
    is_constant = len(set(t)) == 1 or len(set(v)) == 1
    return {
        "mse": m.mean_squared_error(t, v),
        "pearson": None if is_constant else scipy.stats.pearsonr(t, v)[0],
        "spearman": None if is_constant else scipy.stats.spearmanr(t, v)[0],
    }


def classes(rng, name, n, k, positive, step=None, only=None, says=None):
    y = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + 1.2 * np.eye(k)[y]
    prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if step:  # ties
        prob = np.round(prob / step) * step
        prob[:, 0] = 1 - prob[:, 1:].sum(1)
    pred = prob.argmax(1)
    if only is not None:
        y = np.full(n, only)
    if says is not None:
        pred = np.full(n, says)
    return {"name": name, "n_classes": k, "positive": positive, "y_true": y.tolist(),
            "y_pred": pred.tolist(), "prob": prob.tolist()}


def values(rng, name, n, noise, step=None, constant=False):
    t = rng.normal(size=n) * 3 + 100
    v = t + noise * rng.normal(size=n)
    if step:
        t, v = np.round(t / step) * step, np.round(v / step) * step
    if constant:
        v = np.full(n, 0.1)
    return {"name": name, "n_classes": 0, "positive": -1, "target": t.tolist(), "value": v.tolist()}


def bootstraps(cases):
    out = []
    for name, base_seed, metric in (("binary", 1, "f1"), ("binary", 2, "roc-auc"), ("binary", 3, "ap"),
                                    ("values", 4, "spearman"), ("four classes", 5, "mcc")):
        c = next(c for c in cases if c["name"] == name)
        rows = [k for k in ("y_true", "y_pred", "prob", "target", "value") if k in c]
        n, draws = len(c[rows[0]]), []
        for k in range(1000):
            idx = resample(base_seed, k, n)
            d = dict(c, **{r: [c[r][i] for i in idx] for r in rows})
            draws.append((labels_metrics if c["n_classes"] else values_metrics)(d)[metric])
        got = np.array([d for d in draws if d is not None])
        low, high = np.percentile(got, [2.5, 97.5])
        out.append({"case": name, "metric": metric, "seed": base_seed, "n_draws": 1000, "low": low,
                    "high": high, "se": got.std(ddof=1), "n_undefined": 1000 - len(got)})
    return out


def paired(cases):
    """Intervals of candidate - baseline: the candidate is a case with every seventh label changed."""
    out = []
    for name, metric in (("binary", "f1"), ("four classes", "mcc"), ("four classes", "f1-macro")):
        c = next(c for c in cases if c["name"] == name)
        n, y, p = len(c["y_true"]), np.array(c["y_true"]), np.array(c["y_pred"])
        q = np.where(np.arange(n) % 7 == 0, (p + 1) % c["n_classes"], p)
        draws = []
        for k in range(1000):
            idx = resample(9, k, n)
            a, b = (labels_metrics({"y_true": y[idx], "y_pred": v[idx], "positive": c["positive"]}) for v in (q, p))
            draws.append(a[metric] - b[metric])
        low, high = np.percentile(draws, [2.5, 97.5])
        out.append({"case": name, "metric": metric, "seed": 9, "n_draws": 1000, "low": low, "high": high})
    return out


def mcnemars():
    out = []
    for b, c in ((0, 0), (1, 0), (3, 9), (40, 20), (500, 430), (7, 7), (0, 30)):
        chi2 = (abs(b - c) - 1) ** 2 / (b + c) if b + c else 0.0
        out.append({"only_base": b, "only_cand": c, "chi2": chi2,
                    "p_chi2": scipy.stats.chi2.sf(chi2, 1) if b + c else 1.0,
                    "p_exact": scipy.stats.binomtest(b, b + c).pvalue if b + c else 1.0})
    return out


def main():
    rng = np.random.default_rng(20)
    cases = [
        classes(rng, "binary", 60, 2, 1),
        classes(rng, "binary with ties", 80, 2, 1, step=0.125),
        classes(rng, "class 0 is positive", 40, 2, 0),
        classes(rng, "no positives", 20, 2, 1, only=0),
        classes(rng, "only positives", 20, 2, 1, only=1),
        classes(rng, "nothing said to be positive", 30, 2, 1, says=0),
        classes(rng, "everything said to be positive", 30, 2, 1, says=1),
        classes(rng, "four classes", 90, 4, -1),
        classes(rng, "seven classes, some absent", 12, 7, -1),
        classes(rng, "one against the rest", 50, 3, 2),
        classes(rng, "sure and wrong", 16, 2, 1, step=1.0),
        classes(rng, "one example", 1, 2, 1, only=1),
        values(rng, "values", 50, 2.0),
        values(rng, "values with ties", 70, 2.0, step=1.0),
        values(rng, "constant values", 20, 1.0, constant=True),
        values(rng, "nearly perfect values", 40, 1e-6),
    ]
    for c in cases:
        c["want"] = (labels_metrics if c["n_classes"] else values_metrics)(c)
    quantiles = {q: scipy.stats.norm.ppf(float(q)) for q in ("0.95", "0.975", "0.5", "0.01", "0.99999")}
    json.dump({"made_by": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__,
                           "numpy": np.__version__},
               "cases": cases, "bootstraps": bootstraps(cases),
               "paired": paired(cases), "mcnemar": mcnemars(),
               "normal_quantiles": quantiles}, sys.stdout, default=float)
    print()


main()
