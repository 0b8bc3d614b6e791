#!/usr/bin/env python3
"""Structured pruning against ONNX Runtime: TAP on stdout.

    prune_axes.py --dscompress BIN [--golden tests/golden]

Each model is pruned; the report says which units went, and which axes of which constants hold them.
The reference is the source with zeros, put by NumPy, where products sum over these units, and for
hidden with norms, put together of other nodes, over the entries that stay; both run in ONNX Runtime
on drawn inputs. Of lowrank the reference is the source with NumPy's product of the two factors, and
what they keep is what NumPy's singular values say. Sparse initializers run beside dense ones. With DSC_ASSETS the real MiniLM is one of the models.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

TOL, TIMEOUT_S = 1e-5, 300


def call(*args):
    r = subprocess.run(args, capture_output=True, text=True, timeout=TIMEOUT_S)
    if r.returncode:
        raise RuntimeError((r.stderr.strip() or f"exit {r.returncode}").splitlines()[0])
    return r.stdout


def masked(path, report):
    """The source with zeros at the summed axes of the units that went."""
    model = onnx.load(path)
    inits = {i.name: i for i in model.graph.initializer}
    transposed = {n.input[1] for n in model.graph.node if n.op_type == "ConvTranspose"}
    for group in report["groups"]:
        for t in group["tensors"]:
            if not t["is_summed"]:
                continue
            w = numpy_helper.to_array(inits[t["name"]]).copy()
            per_unit = t["size_before"] // group["units"]  # a unit's elements stand together
            is_grouped = t["name"] in transposed and w.ndim > 2  # but for these: at one place of each group
            for u in group["removed_units"]:
                at = [slice(None)] * w.ndim
                at[t["axis"]] = slice(u, None, group["units"]) if is_grouped \
                    else slice(u * per_unit, (u + 1) * per_unit)
                w[tuple(at)] = 0
            inits[t["name"]].CopyFrom(numpy_helper.from_array(w, t["name"]))
    return model.SerializeToString()


def norm_over(mask, node, suffix):
    """LayerNormalization of the entries that stay; the others become 0."""
    n, eps = f"{node.name}/{suffix}", next(a.f for a in node.attribute if a.name == "epsilon")
    consts = {f"{n}/m": mask, f"{n}/inv": np.float32(1 / mask.sum()), f"{n}/eps": np.float32(eps),
              f"{n}/axes": np.array([-1])}
    x, gain, bias = node.input
    steps = [("Mul", [x, f"{n}/m"], "xm"), ("ReduceSum", [f"{n}/xm", f"{n}/axes"], "s"),
             ("Mul", [f"{n}/s", f"{n}/inv"], "mean"), ("Sub", [x, f"{n}/mean"], "d"),
             ("Mul", [f"{n}/d", f"{n}/m"], "dm"), ("Mul", [f"{n}/dm", f"{n}/dm"], "sq"),
             ("ReduceSum", [f"{n}/sq", f"{n}/axes"], "ss"), ("Mul", [f"{n}/ss", f"{n}/inv"], "var"),
             ("Add", [f"{n}/var", f"{n}/eps"], "ve"), ("Sqrt", [f"{n}/ve"], "sd"),
             ("Div", [f"{n}/dm", f"{n}/sd"], "unit"), ("Mul", [f"{n}/unit", gain], "g"),
             ("Add", [f"{n}/g", bias], "b")]
    nodes = [onnx.helper.make_node(op, ins, [f"{n}/{out}"]) for op, ins, out in steps]
    nodes.append(onnx.helper.make_node("Mul", [f"{n}/b", f"{n}/m"], [node.output[0]]))
    return nodes, [numpy_helper.from_array(np.asarray(v), k) for k, v in consts.items()]


def with_norms_over(model_bytes, report):
    """Every norm whose gain went with the units runs over the entries that stay."""
    model = onnx.load_from_string(model_bytes)
    group = report["groups"][0]
    mask = np.ones(group["units"], np.float32)
    mask[group["removed_units"]] = 0
    names = {t["name"] for t in group["tensors"]}
    nodes = []
    for i, node in enumerate(model.graph.node):
        if node.op_type != "LayerNormalization" or node.input[1] not in names:
            nodes.append(node)
            continue
        new, consts = norm_over(mask, node, str(i))
        nodes += new
        model.graph.initializer.extend(consts)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()


def drawn(session, rng, n_ids, length):
    feeds = {}
    for i in session.get_inputs():
        if i.type == "tensor(float)":
            size = [3 if isinstance(d, str) else d for d in i.shape]
            feeds[i.name] = rng.standard_normal(size).astype(np.float32)
            continue
        ids = rng.integers(0, n_ids, (3, length)).astype(np.int64)
        feeds[i.name] = ids if "ids" in i.name and "type" not in i.name else \
            np.ones_like(ids) if "mask" in i.name else np.zeros_like(ids)
    return feeds


def check(binary, source, n_ids, pattern, scope, tmp):
    plain, out = os.path.join(tmp, "source.onnx"), os.path.join(tmp, "pruned.onnx")
    call(binary, "export", source, "-q", "-f", "-o", plain)
    report = json.loads(call(binary, "prune", plain, "--pattern", pattern, "--sparsity", "0.5",
                             "--scope", scope, "-q", "-f", "--json", "-o", out))
    if report["params_after"] >= report["params_before"] or \
            os.path.getsize(out) != report["size_bytes"] or os.path.getsize(out) >= os.path.getsize(plain):
        return "it is not smaller"
    onnx.checker.check_model(onnx.load(out), full_check=True)
    a = ort.InferenceSession(out, providers=["CPUExecutionProvider"])
    reference = masked(plain, report)
    if pattern == "hidden":
        reference = with_norms_over(reference, report)
    b = ort.InferenceSession(reference, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(3)
    for length in (5, 11):
        feeds = drawn(a, rng, n_ids, length)
        for x, y in zip(a.run(None, feeds), b.run(None, feeds)):
            worst = np.abs(x - y).max() / np.abs(y).max()
            if not worst <= TOL:
                return f"values differ by {worst:.3g} of the largest"
    return ""


def check_lowrank(binary, source, n_ids, tmp):
    plain, out = os.path.join(tmp, "source.onnx"), os.path.join(tmp, "pruned.onnx")
    call(binary, "export", source, "-q", "-f", "-o", plain)
    report = json.loads(call(binary, "prune", plain, "--pattern", "lowrank", "--rank", "6",
                             "--include", ".", "-q", "-f", "--json", "-o", out))
    if report["params_after"] >= report["params_before"]:
        return "it is not smaller"
    made, model = onnx.load(out), onnx.load(plain)
    onnx.checker.check_model(made, full_check=True)
    new = {i.name: numpy_helper.to_array(i) for i in made.graph.initializer}
    for i in model.graph.initializer:
        kept = [t for t in report["tensors"] if t["name"] == i.name and not t["why"]]
        if not kept:
            continue
        w, u = numpy_helper.to_array(i).astype(np.float64), new[i.name]
        v = new[i.name + ".map"] if i.name + ".map" in new else new[i.name + ".wide"]
        product = u @ v if u.shape[0] == w.shape[0] else v @ u
        s = np.linalg.svd(w, compute_uv=False) ** 2
        if abs(kept[0]["kept"] - s[:6].sum() / s.sum()) > 1e-5:
            return f"{i.name} keeps {kept[0]['kept']}, at best {s[:6].sum() / s.sum()}"
        if abs(((product - w) ** 2).sum() - s[6:].sum()) > 1e-5 * s.sum():
            return f"{i.name}: the factors are not those of the least error"
        i.CopyFrom(numpy_helper.from_array(product.astype(np.float32), i.name))
    a = ort.InferenceSession(out, providers=["CPUExecutionProvider"])
    b = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = drawn(a, np.random.default_rng(3), n_ids, 11)
    for x, y in zip(a.run(None, feeds), b.run(None, feeds)):
        worst = np.abs(x - y).max() / np.abs(y).max()
        if not worst <= TOL:
            return f"values differ by {worst:.3g} of the largest"
    return ""


def check_sparse(binary, source, n_ids, tmp):
    """Sparse initializers: ONNX Runtime computes what it does of the dense file, bit for bit."""
    plain, files = os.path.join(tmp, "source.onnx"), [os.path.join(tmp, f"{k}.onnx") for k in "ds"]
    call(binary, "export", source, "-q", "-f", "-o", plain)
    for out, more in zip(files, ([], ["--sparse-initializers"])):
        call(binary, "prune", plain, "--pattern", "unstructured", "--sparsity", "0.9", "-q", "-f",
             "-o", out, *more)
    model = onnx.load(files[1])
    onnx.checker.check_model(model)  # with full_check onnx infers a sparse type and refuses it
    if not model.graph.sparse_initializer or os.path.getsize(files[1]) >= os.path.getsize(files[0]):
        return "it is not smaller"
    a, b = (ort.InferenceSession(f, providers=["CPUExecutionProvider"]) for f in files)
    feeds = drawn(a, np.random.default_rng(3), n_ids, 11)
    for x, y in zip(a.run(None, feeds), b.run(None, feeds)):
        if x.tobytes() != y.tobytes():
            return "other values than those of the dense file"
    return ""


CHECKS = {"lowrank": check_lowrank, "sparse": check_sparse}


def models(golden):
    for name in ("sentence-mean", "bert/cls", "distilbert/cls", "roberta/cls", "xlm-roberta/cls",
                 "mpnet/cls", "electra/cls"):
        yield os.path.join(golden, "hf", name), 80
    yield os.path.join(golden, "torch", "tiny_bert_dynamo.onnx"), 100
    minilm = os.path.join(os.environ.get("DSC_ASSETS") or "/nonexistent", "minilm")
    if os.path.isdir(minilm):
        yield minilm, 30522


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--dscompress", required=True)
    a.add_argument("--golden", default="tests/golden")
    args = a.parse_args()
    cases = [(m, n, p, s) for m, n in models(args.golden)
             for p in ("ffn", "heads") for s in ("local", "global")]
    cases += [(m, n, "hidden", "local") for m, n in models(args.golden) if "sentence-mean" not in m and "minilm" not in m]
    cases += [(os.path.join(args.golden, "torch", f"recurrent_{x}.onnx"), 0, "gates", s)
              for x in ("ts", "dynamo") for s in ("local", "global")]
    cases += [(os.path.join(args.golden, "torch", f"conv_{x}.onnx"), 0, "channels", s)
              for x in ("ts", "dynamo") for s in ("local", "global")]
    cases += [(m, n, p, "local") for p in CHECKS for m, n in models(args.golden)
              if "minilm" not in m]
    n_bad = 0
    print(f"1..{len(cases)}")
    for i, (model, n_ids, pattern, scope) in enumerate(cases, 1):
        with tempfile.TemporaryDirectory() as tmp:
            try:
                fault = CHECKS[pattern](args.dscompress, model, n_ids, tmp) if pattern in CHECKS \
                    else check(args.dscompress, model, n_ids, pattern, scope, tmp)
            except (RuntimeError, subprocess.TimeoutExpired, onnx.checker.ValidationError) as e:
                fault = str(e)
        n_bad += bool(fault)
        print(f"{'not ok' if fault else 'ok'} {i} - {os.path.relpath(model, args.golden)} {pattern} {scope}"
              + (f": {fault}" if fault else ""), flush=True)
    sys.exit(n_bad > 0)


if __name__ == "__main__":
    main()
