#!/usr/bin/env python3
"""Quality over seeds: fine-tune, quantize in several ways, pool the predictions, print one table.

    tests/bench/quality.py run DSCOMPRESS MODEL DATA POSITIVE OUT [--seeds 1,2,3,4,5]
                           [--kinds ptq,qat] [--epochs N] [--threads N]
    tests/bench/quality.py table OUT [--torch DIR]

run writes OUT/SEED.KIND.jsonl, the predictions on the test part of --split 70/10/20 by fp32 and each
of KINDS, and skips what is there, so that it can be stopped and go on; other flags are the defaults
of train and quantize, with 64 tokens. nncf and ort are peers: 300 training rows of DATA (a TSV with
text first), spaced evenly, one at a time, then OpenVINO with float32 for what is not int8, and ONNX
Runtime; they need the packages. OUT/SEED.KIND.json says seconds and bytes.

table needs numpy and scikit-learn. Its intervals are 95 % bootstraps that draw rows of the test part
and keep all seeds of a drawn row. --torch is the folder that tools/oracle/text_reference.py --out
wrote from the same data.
"""
import argparse
import json
import os
import subprocess
import sys
import time

N_DRAWS = 2000
PEER_ROWS = 300

# What quantize is given beside the fp32 model, its data and the split.
HALF = "11.75MB"  # of MiniLM's int8 file
KINDS = {
    "ptq": ["--calib"],
    "fixed": ["--choose", "off", "--calib"],
    "qat": ["--method", "qat", "--seed", "{seed}", "--train", "{data}", "--eval"],
    "w4": ["--method", "weight-only", "--scheme", "w4", "--granularity", "group:64", "--calib"],
    "w4a8": ["--scheme", "w4a8", "--calib"],
    "half": ["--scheme", "w3a8", "--target-size", HALF, "--calib"],
}


def dsc(a, *args):
    subprocess.run([a.dscompress, *map(str, args), "-j", str(a.threads), "--progress", "none",
                    "--quiet", "-f"], check=True, stdout=subprocess.DEVNULL)


def predict(a, model, name, part="test"):
    tmp = os.path.join(a.out, name + ".part")
    dsc(a, "eval", model, "--data", a.data, "--split", "70/10/20", "--part", part,
        "--predictions", tmp)
    os.rename(tmp, os.path.join(a.out, name + ".jsonl"))


def predictions(folder, name):
    with open(os.path.join(folder, name + ".jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def text_rows(path):
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t")[0] for line in f][1:]


class Encoded:
    """Rows of the data as inputs of the fp32 model, by the tokenizer that it carries."""

    def __init__(self, a, seed):
        import onnx
        from tokenizers import Tokenizer
        self.path = os.path.join(a.out, f"{seed}.fp32.onnx")
        model = onnx.load(self.path)
        props = {p.key: p.value for p in model.metadata_props}
        self.names = [i.name for i in model.graph.input]
        self.tokenizer = Tokenizer.from_str(props["dscompress.tokenizer"])
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(int(props["dscompress.max_length"]))
        self.text = text_rows(a.data)
        self.test = predictions(a.out, f"{seed}.fp32")
        held = {r["row"] for r in self.test}
        predict(a, self.path, f"{seed}.dev", "dev")
        held |= {r["row"] for r in predictions(a.out, f"{seed}.dev")}
        train = [i for i in range(len(self.text)) if i not in held]
        self.calib = [train[i * len(train) // PEER_ROWS] for i in range(PEER_ROWS)]

    def __call__(self, row):
        import numpy as np
        e = self.tokenizer.encode(self.text[row])
        all_inputs = {"input_ids": e.ids, "attention_mask": e.attention_mask,
                      "token_type_ids": e.type_ids}
        return {k: np.array([all_inputs[k]]) for k in self.names}


def nncf(a, seed, rows, path):
    import nncf
    import openvino as ov
    core = ov.Core()
    model = nncf.quantize(core.read_model(rows.path), nncf.Dataset(rows.calib, rows),
                          preset=nncf.QuantizationPreset.MIXED, subset_size=PEER_ROWS,
                          model_type=nncf.ModelType.TRANSFORMER)
    ov.save_model(model, path + ".xml")

    def load():
        compiled = core.compile_model(path + ".xml", "CPU", {
            "INFERENCE_NUM_THREADS": a.threads, "INFERENCE_PRECISION_HINT": "f32"})
        return lambda x: compiled(x)[0]
    return load, [path + ".xml", path + ".bin"]


def ort(a, seed, rows, path):
    import onnxruntime
    from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                          quantize_static)
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter(rows.calib)

        def get_next(self):
            row = next(self.left, None)
            return None if row is None else rows(row)
    quant_pre_process(rows.path, path + ".pre.onnx", skip_symbolic_shape=True)
    quantize_static(path + ".pre.onnx", path + ".onnx", Reader(), quant_format=QuantFormat.QDQ,
                    per_channel=True, op_types_to_quantize=["MatMul", "Gemm", "Gather"],
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)

    def load():
        session = onnxruntime.InferenceSession(path + ".onnx", providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, x)[0]
    return load, [path + ".onnx"]


PEERS = {"nncf": nncf, "ort": ort}


def peer(a, seed, kind):
    rows = Encoded(a, seed)
    start = time.monotonic()
    load, paths = PEERS[kind](a, seed, rows, os.path.join(a.out, f"{seed}.{kind}"))
    seconds, run_rows = time.monotonic() - start, load()
    done = [dict(r, prediction=int(run_rows(rows(r["row"]))[0].argmax())) for r in rows.test]
    tmp = os.path.join(a.out, f"{seed}.{kind}.part")
    with open(tmp, "w", encoding="utf-8") as f:
        for r in done:
            del r["probabilities"]
            f.write(json.dumps(r) + "\n")
    os.rename(tmp, os.path.join(a.out, f"{seed}.{kind}.jsonl"))
    return seconds, sum(os.path.getsize(p) for p in paths)


def ours(a, seed, kind):
    path = os.path.join(a.out, f"{seed}.{kind}.onnx")
    flags = [x.format(seed=seed, data=a.data) for x in KINDS[kind]]
    start = time.monotonic()
    dsc(a, "quantize", os.path.join(a.out, f"{seed}.fp32.onnx"), "--split", "70/10/20", *flags,
        a.data, "-o", path, "--json=" + os.path.join(a.out, f"{seed}.{kind}.report.json"))
    seconds = time.monotonic() - start
    predict(a, path, f"{seed}.{kind}")
    return seconds, os.path.getsize(path)


def one_seed(a, seed):
    fp32 = os.path.join(a.out, f"{seed}.fp32.onnx")
    if not os.path.exists(fp32):
        dsc(a, "train", a.model, "--train", a.data, "--eval", a.data, "--positive", a.positive,
            "--max-length", 64, "--epochs", a.epochs, "--split", "70/10/20", "--seed", seed,
            "-o", fp32)
    if not os.path.exists(os.path.join(a.out, f"{seed}.fp32.jsonl")):
        predict(a, fp32, f"{seed}.fp32")
    for kind in a.kinds.split(",") if a.kinds else []:
        if os.path.exists(os.path.join(a.out, f"{seed}.{kind}.jsonl")):
            continue
        seconds, n_bytes = (peer if kind in PEERS else ours)(a, seed, kind)
        with open(os.path.join(a.out, f"{seed}.{kind}.json"), "w", encoding="utf-8") as f:
            json.dump({"seconds": seconds, "bytes": n_bytes}, f)
        print(f"seed {seed}: {kind}: {seconds:.1f} s, {n_bytes / 1e6:.1f} MB", flush=True)


def run(a):
    os.makedirs(a.out, exist_ok=True)
    for seed in a.seeds.split(","):
        one_seed(a, int(seed))


def load(folder, name):
    import numpy as np
    rows = [r for r in predictions(folder, name) if r.get("part", "test") == "test"]
    return (np.array([r["label"] for r in rows]), np.array([r["prediction"] for r in rows]))


def pooled(folder, kind, seeds):
    """Label [rows] and predictions [seeds, rows]."""
    import numpy as np
    got = [load(folder, f"{s}.{kind}" if kind else str(s)) for s in seeds]
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
    for kind in (*KINDS, *PEERS):
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
    r.add_argument("--kinds", default="ptq,qat", help=", ".join((*KINDS, *PEERS)))
    t = sub.add_parser("table")
    t.add_argument("out")
    t.add_argument("--torch")
    a = p.parse_args()
    unknown = [k for k in getattr(a, "kinds", "").split(",") if k and k not in {**KINDS, **PEERS}]
    if unknown:
        sys.exit(f"quality.py: no such kind: {', '.join(unknown)}")
    return {"run": run, "table": table}[a.what](a)


if __name__ == "__main__":
    sys.exit(main())
