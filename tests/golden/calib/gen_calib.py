#!/usr/bin/env python3
"""Write the golden files of this folder: ranges that observers must find, by NumPy and SciPy.

    python gen_calib.py [OUT_DIR]

See README.md. Nothing here is shared with calib/: bins by numpy.histogram on the edges that
calib.h states, Kullback-Leibler divergence by scipy.stats.entropy, quantiles of the raw values by
numpy.quantile. The same versions write the same bytes.
"""
import math
import os
import sys

import numpy as np
from scipy import stats

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
BINS, HALF, MIN_EXPONENT = 4096, 2048, -120
BATCHES, BATCH = 5, 601
PERCENTS = (99.999, 99.9, 99.0, 90.0)
LEVELS = (256, 16, 4)


def distributions():
    """[BATCHES, BATCH] float32 each."""
    r = np.random.default_rng(21)
    shape = (BATCHES, BATCH)
    sizes = 10.0 ** np.arange(BATCHES)[:, None]
    side = r.random(shape) < 0.3
    yield "normal", r.standard_normal(shape) * 1.7 + 0.3
    yield "relu", np.maximum(r.standard_normal(shape), 0)
    yield "heavy", stats.t.rvs(1.5, size=shape, random_state=22)
    yield "constant", np.full(shape, 3.25)
    yield "zero", np.zeros(shape)
    yield "tiny", r.standard_normal(shape) * 1e-30
    yield "two_peaks", np.where(side, r.normal(-20, 1, shape), r.normal(3, 0.5, shape))
    yield "negative", -np.abs(r.standard_normal(shape)) - 1
    yield "growing", r.standard_normal(shape) * sizes
    yield "shrinking", r.standard_normal(shape) * sizes[::-1]
    yield "edges", 2.0 ** r.integers(-12, 6, shape) * r.choice([-1, 1], shape)


def histogram(x):
    """Counts and exponent: the least power of two whose 2048 bins a side hold every value."""
    top = np.abs(x).max()
    exponent = MIN_EXPONENT
    while not top < HALF * 2.0 ** exponent:
        exponent += 1
    edges = np.arange(-HALF, HALF + 1) * 2.0 ** exponent
    count, _ = np.histogram(x, edges)   # [a, b) but for the last bin, which holds no edge here
    assert count.sum() == x.size
    return count.astype(np.uint64), exponent


def hist_quantile(count, exponent, x, q):
    want = q * x.size
    below = np.concatenate([[0], np.cumsum(count)]).astype(np.float64)
    b = np.flatnonzero((count > 0) & (below[1:] >= want))[0]
    v = (b - HALF + (want - below[b]) / float(count[b])) * 2.0 ** exponent
    return float(np.clip(v, x.min(), x.max()))


def ema(x):
    low = high = None
    for batch in x:
        low = batch.min() if low is None else 0.9 * low + 0.1 * batch.min()
        high = batch.max() if high is None else 0.9 * high + 0.1 * batch.max()
    return low, high


def pick(name, candidates):
    """The candidate of least cost, the first of equals; near ties are no test of anything."""
    costs = np.array([c for c, _ in candidates])
    best = int(np.argmin(costs))
    other = costs[costs != costs[best]]
    other = other[np.isfinite(other)]
    if other.size and other.min() - costs[best] < 1e-9 * abs(other.min()):
        raise SystemExit(f"{name}: two ranges are as good")
    return candidates[best][1]


def mse(name, count, exponent, x, levels):
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    if high == low:
        return low, high
    middle = (np.arange(BINS) - HALF + 0.5) * 2.0 ** exponent
    used = count > 0
    candidates = []
    for part in np.arange(100, 10, -1) / 100:
        codes = low * part + np.arange(levels) * ((high - low) * part / (levels - 1))
        distance = np.abs(middle[used][:, None] - codes[None, :]).min(1)
        cost = math.fsum(count[used].astype(float) * distance ** 2)
        candidates.append((cost, (low * part, high * part)))
    return pick(f"mse {name}", candidates)


def entropy(name, count, exponent, x, levels):
    """Migacz 2017: clip, merge into levels, spread over the used bins, compare."""
    width = 2.0 ** exponent
    first_seen = math.floor(x.min() / width) + HALF
    last_seen = math.floor(x.max() / width) + HALF + 1
    count = count.astype(np.float64)
    candidates = []
    for t in range(levels // 2, HALF + 1, 16):
        a, z = max(HALF - t, first_seen), min(HALF + t, last_seen)
        if z - a < levels:
            continue
        inside = count[a:z]
        p = inside.copy()
        p[0] += count[:a].sum()
        p[-1] += count[z:].sum()
        q = np.zeros_like(p)
        for level in range(levels):
            part = slice((z - a) * level // levels, (z - a) * (level + 1) // levels)
            used = p[part] > 0
            if used.any():
                q[part][used] = inside[part].sum() / used.sum()
        cost = stats.entropy(p, q) if q.any() else np.inf
        candidates.append((cost, (max(x.min(), (a - HALF) * width), min(x.max(), (z - HALF) * width))))
    return pick(f"entropy {name}", candidates) if candidates else (x.min(), x.max())


def main():
    arrays = {}
    for name, x in distributions():
        x = x.astype(np.float32)
        arrays[f"{name}.x"] = x
        x = x.astype(np.float64)
        count, exponent = histogram(x)
        flat = x.ravel()
        rows = {"minmax": (flat.min(), flat.max()), "ema": ema(x)}
        for p in PERCENTS:
            both = (1 - p / 100, p / 100)
            rows[f"percentile:{p:g}"] = tuple(hist_quantile(count, exponent, flat, q) for q in both)
            arrays[f"{name}.quantile:{p:g}"] = np.quantile(flat, both, method="inverted_cdf")
        for levels in LEVELS:
            rows[f"mse.{levels}"] = mse(name, count, exponent, flat, levels)
            rows[f"entropy.{levels}"] = entropy(name, count, exponent, flat, levels)
        arrays[f"{name}.count"] = count
        arrays[f"{name}.exponent"] = np.int64(exponent)
        arrays |= {f"{name}.{k}": np.array(v, np.float64) for k, v in rows.items()}
        print(name, exponent, {k: tuple(float(f"{f:.4g}") for f in v) for k, v in rows.items()})
    np.savez_compressed(os.path.join(OUT, "observers.npz"), **arrays)


if __name__ == "__main__":
    main()
