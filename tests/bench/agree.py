#!/usr/bin/env python3
"""Labels of a written file in another runtime beside those of dscompress.

    tests/bench/agree.py DSCOMPRESS DATA MODEL.onnx... [--runtime ort|openvino|openvino-f32]
                         [--limit N]

Reads the dev and test parts of --split 70/10/20 of a TSV with text first, a row at a time and
unpadded, with the tokenizer that the file carries. Prints the share of equal labels, the largest
difference of a probability, and the fused operators that the runtime made of the file (ONNX
Runtime) or the precisions that it computes in (OpenVINO). Needs numpy, onnx, tokenizers, and the
runtime.
"""
import argparse
import collections
import json
import os
import subprocess
import tempfile

import numpy as np
import onnx
from tokenizers import Tokenizer


def ours(a, model, part):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "p.jsonl")
        subprocess.run([a.dscompress, "eval", model, "--data", a.data, "--split", "70/10/20",
                        "--part", part, "--predictions", path, "--quiet", "--progress", "none"],
                       check=True, stdout=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as f:
            return [json.loads(line) for line in f][:a.limit]


def onnx_runtime(model):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3  # it warns that the optimized model is of this machine
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = os.path.join(folder, "o.onnx")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        ops = collections.Counter(
            n.op_type for n in onnx.load(options.optimized_model_filepath).graph.node)
    fused = {op: n for op, n in ops.items() if "Q" in op or "Integer" in op or "Quant" in op}
    return [i.name for i in session.get_inputs()], lambda x: session.run(None, x)[0][0], fused


def openvino(model, **options):
    import openvino as ov
    compiled = ov.Core().compile_model(model, "CPU",
                                      {"INFERENCE_NUM_THREADS": 2, **options})
    kinds = collections.Counter()
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if str(info["layerType"].astype(str)) in ("FullyConnected", "MatMul"):
            kinds[str(info["runtimePrecision"].astype(str))] += 1
    return [i.get_any_name() for i in compiled.inputs], lambda x: compiled(x)[0][0], kinds


def openvino_f32(model):
    """Float parts in float32; by default they are bfloat16 where the processor has it."""
    return openvino(model, INFERENCE_PRECISION_HINT="f32")


RUNTIMES = {"ort": onnx_runtime, "openvino": openvino, "openvino-f32": openvino_f32}


def compare(a, model, rows):
    props = {p.key: p.value for p in onnx.load(model).metadata_props}
    tokenizer = Tokenizer.from_str(props["dscompress.tokenizer"])
    tokenizer.no_padding()
    tokenizer.enable_truncation(int(props["dscompress.max_length"]))
    names, run, kinds = RUNTIMES[a.runtime](model)
    n = n_equal = 0
    worst = 0.0
    for part in ("dev", "test"):
        for p in ours(a, model, part):
            e = tokenizer.encode(rows[p["row"]])
            x = {"input_ids": e.ids, "attention_mask": e.attention_mask,
                 "token_type_ids": e.type_ids}
            logits = run({k: np.array([v]) for k, v in x.items() if k in names})
            probability = np.exp(logits - logits.max())
            probability /= probability.sum()
            worst = max(worst, np.abs(probability - p["probabilities"]).max())
            n_equal += int(logits.argmax()) == p["prediction"]
            n += 1
    print(f"{model}: {a.runtime}: {n_equal} of {n} labels equal ({n_equal / n:.2%}), "
          f"probabilities within {worst:.3f}; {dict(kinds)}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("dscompress")
    p.add_argument("data")
    p.add_argument("models", nargs="+")
    p.add_argument("--runtime", choices=RUNTIMES, default="ort")
    p.add_argument("--limit", type=int, help="rows of each part")
    a = p.parse_args()
    with open(a.data, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t")[0] for line in f][1:]
    for model in a.models:
        compare(a, model, rows)


main()
