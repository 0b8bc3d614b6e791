#!/usr/bin/env python3
"""Run ONNX's own conformance cases through `dscompress run`.

    node_tests.py --dscompress BIN [--cases DIR] [--folders node,simple] [--match TEXT] [--tap]
                  [--ops NAME,..] [--source DIR] [--keep DIR] [-j 2] [--list]

DIR holds node/, pytorch-converted/, pytorch-operator/ and simple/ of the onnx 1.17.0 wheel
(tools/fetch-assets puts them into ASSETS/onnx). A case runs when the operator table has all of its
operators: the rows of libcompress/ops/ops.def, or --ops. Tolerances are those of onnx's runner
(rtol 1e-3, atol 1e-7, NaN equal; one unit for bfloat16); integers and booleans must be equal; type and shape too. Four int8 results of QLinearMatMul that
the suite stores wrapped around are saturated first, as the operator's text says; one AveragePool
that counts padding beyond the padded input is divided again (onnx corrected it in 1.18).
Skipped, each with its reason: float8, string, sequence, optional and map types, and Dropout in
training mode with a ratio (the expected values are NumPy's generator's).

Prints `N run, N pass, N skipped`, then the names that failed. Exit 0, 1 when a case fails, 77 when
the cases or the verb are not there.
"""
import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

RTOL, ATOL, TIMEOUT_S = 1e-3, 1e-7, 60
# The suite's bfloat16 results have their low bits cut off where Cast rounds to nearest: one unit in
# the last place. (onnx's runner compares the bit patterns as integers, with rtol 1e-3: 16 units.)
BFLOAT_RTOL = 2.0 ** -7
FOLDERS = "node,pytorch-converted,pytorch-operator,simple"
SKIP_TYPES = {v: n.lower() for n, v in TensorProto.DataType.items()
              if n.startswith("FLOAT8") or n in ("STRING", "COMPLEX64", "COMPLEX128", "FLOAT4E2M1")}
Result = collections.namedtuple("Result", "name status detail")     # pass | fail | skip


def operator_table(source):
    """{(domain, name)} of the records that ops.def lists."""
    ops = os.path.join(source, "libcompress", "ops")
    with open(os.path.join(ops, "ops.def"), encoding="utf-8") as f:
        rows = re.findall(r"^DSC_OP\((\w+)\)", f.read(), re.M)
    table = set()
    for row in rows:
        with open(os.path.join(ops, f"op_{row}.c"), encoding="utf-8") as f:
            text = f.read()
        # one record a file; a domain is given only where it is not ONNX's
        name = re.search(r"\.onnx\s*=\s*\"([^\"]+)\"", text)
        domain = re.search(r"\.domain\s*=\s*\"([^\"]*)\"", text)
        if name:
            table.add((domain.group(1) if domain else "", name.group(1)))
    return table


def subgraphs(graph):
    yield graph
    for node in graph.node:
        for a in node.attribute:
            for g in ([a.g] if a.HasField("g") else []) + list(a.graphs):
                yield from subgraphs(g)


def operators(model):
    """(domain, name) of every node, those of local functions in place of their calls."""
    own = {(f.domain, f.name) for f in model.functions}
    found = {("" if n.domain == "ai.onnx" else n.domain, n.op_type)
             for g in subgraphs(model.graph) for n in g.node}
    for f in model.functions:
        found |= {("" if n.domain == "ai.onnx" else n.domain, n.op_type) for n in f.node}
    return found - own


def skip_type(model):
    """The reason not to run, from the types of the graph's values."""
    for g in subgraphs(model.graph):
        for v in list(g.input) + list(g.output) + list(g.value_info):
            kind = v.type.WhichOneof("value")
            if kind in ("sequence_type", "optional_type", "map_type"):
                return kind.replace("_type", " type")
            if v.type.tensor_type.elem_type in SKIP_TYPES:
                return SKIP_TYPES[v.type.tensor_type.elem_type]
        tensors = list(g.initializer) + [a.t for n in g.node for a in n.attribute if a.HasField("t")]
        for t in tensors:
            if t.data_type in SKIP_TYPES:
                return SKIP_TYPES[t.data_type]
        for n in g.node:
            for a in n.attribute:
                if n.op_type == "Cast" and a.name == "to" and a.i in SKIP_TYPES:
                    return SKIP_TYPES[a.i]
                if n.op_type == "Constant" and a.name in ("value_string", "value_strings"):
                    return "string"
    return None


def draws(model, folder):
    """Is there a Dropout in training mode with a ratio above 0?"""
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for n in model.graph.node:
        values.update({n.output[0]: numpy_helper.to_array(a.t) for a in n.attribute
                       if n.op_type == "Constant" and a.name == "value"})
    free = [i.name for i in model.graph.input if i.name not in values]
    for k, name in enumerate(free):
        path = os.path.join(folder, f"input_{k}.pb")
        if os.path.exists(path):
            values[name] = numpy_helper.to_array(read_tensor(path))
    for n in model.graph.node:
        if n.op_type != "Dropout":
            continue
        is_training = len(n.input) > 2 and n.input[2] and bool(values.get(n.input[2], False))
        has_ratio = len(n.input) > 1 and n.input[1]
        ratio = float(np.ravel(values.get(n.input[1], 0.5))[0]) if has_ratio else 0.5
        if is_training and ratio > 0:
            return True
    return False


def read_tensor(path):
    t = TensorProto()
    with open(path, "rb") as f:
        t.ParseFromString(f.read())
    return t


def array(t):
    """bfloat16 and the 4-bit types by hand: onnx 1.17 with NumPy 2 gives garbage for the first."""
    n = int(np.prod(t.dims))
    if t.data_type == TensorProto.BFLOAT16:
        bits = np.frombuffer(t.raw_data, "<u2") if t.raw_data else np.array(t.int32_data, np.uint32)
        return (bits.astype(np.uint32) << 16).view(np.float32).reshape(t.dims)
    if t.data_type in (TensorProto.INT4, TensorProto.UINT4):
        pairs = np.frombuffer(t.raw_data, np.uint8) if t.raw_data else np.array(t.int32_data)
        pairs = pairs.astype(np.int64) & 255
        a = np.stack([pairs & 15, pairs >> 4], -1).ravel()[:n].reshape(t.dims)
        return np.where(a > 7, a - 16, a) if t.data_type == TensorProto.INT4 else a
    return numpy_helper.to_array(t)


def plain(t):
    """Values as float64, or int64/bool where they must be equal."""
    a = array(t)
    kind = t.data_type
    if kind in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE):
        return a.astype(np.float64), False
    return a.astype(np.uint64 if kind == TensorProto.UINT64 else np.int64), True


def difference(want, got, rtol):
    """None, or a sentence."""
    if want.data_type != got.data_type:
        names = TensorProto.DataType.Name
        return f"type {names(got.data_type)}, expected {names(want.data_type)}"
    if list(want.dims) != list(got.dims):
        return f"shape {list(got.dims)}, expected {list(want.dims)}"
    (w, is_exact), (g, _) = plain(want), plain(got)
    if is_exact:
        bad = w != g
    else:
        with np.errstate(invalid="ignore"):
            bad = ~(np.isclose(g, w, rtol=rtol, atol=ATOL, equal_nan=True) | (g == w))
    if not bad.any():
        return None
    k = tuple(int(i[0]) for i in np.nonzero(bad))
    return f"{int(bad.sum())} of {w.size} differ, first at {list(k)}: {g[k]}, expected {w[k]}"


def is_bfloat(value):
    return value.type.tensor_type.elem_type == TensorProto.BFLOAT16


def true_inputs(model, data, out):
    """The suite's files hold bfloat16 under the type uint16: then a folder with the true type."""
    init = {i.name for i in model.graph.initializer}
    free = [i for i in model.graph.input if i.name not in init]
    if not any(is_bfloat(i) for i in free):
        return data
    folder = os.path.join(out, "in")
    os.makedirs(folder, exist_ok=True)
    for k, value in enumerate(free):
        t = read_tensor(os.path.join(data, f"input_{k}.pb"))
        if is_bfloat(value) and t.data_type == TensorProto.UINT16:
            t.data_type = TensorProto.BFLOAT16
        with open(os.path.join(folder, f"input_{k}.pb"), "wb") as f:
            f.write(t.SerializeToString())
    return folder


def saturated(model, data, want):
    """QLinearMatMul's stored int8 results wrap around where the operator's text says saturate: the
    result by the text, or None where the stored one does not wrap."""
    if [n.op_type for n in model.graph.node] != ["QLinearMatMul"] or want.data_type != TensorProto.INT8:
        return None
    a, sa, za, b, sb, zb, sy, zy = (array(read_tensor(os.path.join(data, f"input_{k}.pb")))
                                    for k in range(8))
    acc = (a.astype(np.int64) - za) @ (b.astype(np.int64) - zb)
    real = np.rint(acc * (sa * sb / sy).astype(np.float64)) + zy        # in the scales' own type
    wrapped = ((real.astype(np.int64) + 128) % 256 - 128).astype(np.int8)
    if not np.array_equal(wrapped, array(want)) or np.array_equal(wrapped, real):
        return None
    return numpy_helper.from_array(np.clip(real, -128, 127).astype(np.int8))


def divided(model, data, want):
    """AveragePool with ceil_mode and count_include_pad: the suite divides windows that reach beyond
    the padded input by the whole kernel. The result by the positions in it, or None elsewhere."""
    node = model.graph.node[0]
    a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
    if node.op_type != "AveragePool" or not (a.get("ceil_mode") and a.get("count_include_pad")):
        return None
    y = array(want).astype(np.float64)
    shape = array(read_tensor(os.path.join(data, "input_0.pb"))).shape[2:]
    n = len(shape)
    pads, strides, dilations = (a.get(k, d) for k, d in
                                (("pads", [0] * 2 * n), ("strides", [1] * n), ("dilations", [1] * n)))
    for i, k in enumerate(a["kernel_shape"]):
        at = np.arange(y.shape[i + 2])[:, None] * strides[i] + np.arange(k) * dilations[i]
        inside = (at < shape[i] + pads[i] + pads[n + i]).sum(1)
        y *= (k / inside).reshape([-1 if d == i + 2 else 1 for d in range(n + 2)])
    return numpy_helper.from_array(y.astype(np.float32))


def run_set(binary, case, data, keep):
    """None, or what went wrong with one data set."""
    out = keep or tempfile.mkdtemp(prefix="dsc-node-")
    model = onnx.load(os.path.join(case, "model.onnx"))
    try:
        target = os.path.join(out, "out") + os.sep
        data_in = true_inputs(model, data, out)
        r = subprocess.run([binary, "run", os.path.join(case, "model.onnx"), "--inputs", data_in, "-f",
                            "-o", target], capture_output=True, text=True, timeout=TIMEOUT_S,
                           errors="replace")
        if r.returncode != 0:
            lines = r.stderr.strip().splitlines() or ["nothing on stderr"]
            return f"exit {r.returncode}: {lines[0]}"
        n = len([f for f in os.listdir(data) if re.fullmatch(r"output_\d+\.pb", f)])
        for k in range(n):
            got = os.path.join(target, f"output_{k}.pb")
            if not os.path.exists(got):
                return f"output_{k}.pb was not written"
            want = read_tensor(os.path.join(data, f"output_{k}.pb"))
            is_cut = is_bfloat(model.graph.output[k]) and want.data_type == TensorProto.UINT16
            if is_cut:
                want.data_type = TensorProto.BFLOAT16
            want = saturated(model, data, want) or divided(model, data, want) or want
            fault = difference(want, read_tensor(got), BFLOAT_RTOL if is_cut else RTOL)
            if fault:
                return f"output {k}: {fault}"
        return None
    except subprocess.TimeoutExpired:
        return f"no end within {TIMEOUT_S} s"
    finally:
        if not keep:
            shutil.rmtree(out, ignore_errors=True)


def run_case(binary, case, name, keep):
    sets = sorted(d for d in os.listdir(case) if d.startswith("test_data_set_"))
    for d in sets:
        place = os.path.join(keep, name.replace("/", "-"), d) if keep else None
        if place:
            os.makedirs(place, exist_ok=True)
        fault = run_set(binary, case, os.path.join(case, d), place)
        if fault:
            return Result(name, "fail", (f"{d}: " if len(sets) > 1 else "") + fault)
    return Result(name, "pass", "")


def select(root, folders, table, match):
    """(name, path, skip reason or None) of the cases whose operators the table has."""
    for folder in folders.split(","):
        top = os.path.join(root, folder)
        if not os.path.isdir(top):
            continue
        for d in sorted(os.listdir(top)):
            path, name = os.path.join(top, d), f"{folder}/{d}"
            if match and match not in name or not os.path.exists(os.path.join(path, "model.onnx")):
                continue
            model = onnx.load(os.path.join(path, "model.onnx"))
            if not operators(model) <= table:
                continue
            reason = skip_type(model)
            if not reason and draws(model, os.path.join(path, "test_data_set_0")):
                reason = "dropout drawn by NumPy's generator"
            yield name, path, reason


def report(results, is_tap):
    n = collections.Counter(r.status for r in results)
    for k, r in enumerate(results, 1):
        if is_tap:
            tail = f" # SKIP {r.detail}" if r.status == "skip" else ""
            print(f"{'not ok' if r.status == 'fail' else 'ok'} {k} - {r.name}{tail}")
        elif r.status == "skip":
            print(f"skipped {r.name}: {r.detail}")
    lead = "# " if is_tap else ""
    print(f"{lead}{n['pass'] + n['fail']} run, {n['pass']} pass, {n['skip']} skipped")
    for r in results:
        if r.status == "fail":
            print(f"{lead}failed {r.name}: {r.detail}")
    if is_tap:
        print(f"1..{len(results)}")


def leave(is_tap, reason):
    print(f"1..0 # SKIP {reason}" if is_tap else f"skipped: {reason}")
    sys.exit(0 if is_tap else 77)


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--dscompress", required=True)
    p.add_argument("--cases", help="default: $DSC_ASSETS/onnx, ~/.cache/dscompress/assets/onnx")
    p.add_argument("--folders", default=FOLDERS)
    p.add_argument("--source", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    p.add_argument("--ops", help="names in place of the operator table; DOMAIN:NAME for others")
    p.add_argument("--match")
    p.add_argument("--keep")
    p.add_argument("--tap", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("-j", type=int, default=2)
    a = p.parse_args()
    cache = os.environ.get("DSC_CACHE") or os.path.expanduser("~/.cache/dscompress")
    a.cases = a.cases or os.path.join(os.environ.get("DSC_ASSETS") or os.path.join(cache, "assets"), "onnx")
    return a


def main():
    a = arguments()
    if not os.path.isdir(os.path.join(a.cases, a.folders.split(",")[0])):
        leave(a.tap, f"no conformance cases in {a.cases} (tools/fetch-assets)")
    if a.ops:
        table = {tuple(o.split(":")) if ":" in o else ("", o) for o in a.ops.replace(",", " ").split()}
    else:
        table = operator_table(a.source)
    cases = list(select(a.cases, a.folders, table, a.match))
    if a.list:
        for name, _, reason in cases:
            print(name, f"skipped: {reason}" if reason else "")
        n_skip = sum(bool(c[2]) for c in cases)
        print(f"{len(cases) - n_skip} to run, {n_skip} skipped")
        return
    if subprocess.run([a.dscompress, "help", "run"], capture_output=True, check=False).returncode:
        leave(a.tap, "this build has no verb run")
    with concurrent.futures.ThreadPoolExecutor(a.j) as pool:
        results = list(pool.map(
            lambda c: Result(c[0], "skip", c[2]) if c[2] else run_case(a.dscompress, c[1], c[0], a.keep),
            cases))
    report(results, a.tap)
    sys.exit(any(r.status == "fail" for r in results))


if __name__ == "__main__":
    main()
