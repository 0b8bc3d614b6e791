#!/usr/bin/env python3
"""Training step and inference side by side with PyTorch and ONNX Runtime.

    tests/bench/bench_peers.py BENCH_MODEL MODEL_DIR MODEL.onnx [INT8.onnx [THREADS [ROUNDS]]]
    tests/bench/bench_peers.py --bert-base DSCOMPRESS BENCH_MODEL TOKENIZER DATA [THREADS [ROUNDS]]
    tests/bench/bench_peers.py --weight-only DSCOMPRESS BENCH_MODEL MODEL [THREADS [ROUNDS]]

BENCH_MODEL is the built tests/bench/bench_model. --bert-base makes BERT-base (109 M weights drawn
at random; TOKENIZER is a tokenizer.json of its 30,522 tokens) in a temporary folder, times fp32
and int8 inference on it, and calibration on 512 rows of DATA (a TSV of >= 512 texts) beside plain
inference of the same rows. --weight-only makes w4 files in groups of 64 of MODEL in a temporary
folder, by DequantizeLinear and by MatMulNBits, and runs 1 x 32 tokens. Needs torch, transformers, onnxruntime in the
Python that runs it; these are peers, the project itself does not need them. Every case is a process
of its own; ours and the peer's run alternately, and the median over the rounds is printed. With
one thread CPU time is compared, which other work on the machine disturbs least; else wall time.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

COMMON = """
import json, os, resource, statistics, sys, time
import numpy as np
clock = time.process_time if int(sys.argv[3]) == 1 else time.perf_counter
rng = np.random.default_rng(1)
def ids(b, t):
    return {"input_ids": rng.integers(1000, 21000, (b, t)), "attention_mask": np.ones((b, t), np.int64),
            "token_type_ids": np.zeros((b, t), np.int64)}
def timed(step, n=5):
    warm = time.perf_counter()
    step()
    while time.perf_counter() - warm < 0.3:
        step()
    times = []
    for _ in range(n):
        start = clock(); step(); times.append(clock() - start)
    print(json.dumps({"s": statistics.median(times),
                      "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""
TORCH_STEP = COMMON + """
import torch, transformers
transformers.logging.set_verbosity_error()
torch.set_num_threads(int(sys.argv[3]))
m = transformers.AutoModelForSequenceClassification.from_pretrained(sys.argv[1], num_labels=2).train()
opt = torch.optim.AdamW(m.parameters(), lr=5e-5)
x = {k: torch.from_numpy(v) for k, v in ids(32, 64).items()}
y = torch.zeros(32, dtype=torch.long)
def step():
    opt.zero_grad(set_to_none=True)
    torch.nn.functional.cross_entropy(m(**x).logits, y).backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
    opt.step()
timed(step)
"""
ORT_RUN = COMMON + """
import onnxruntime
o = onnxruntime.SessionOptions()
o.intra_op_num_threads, o.inter_op_num_threads = int(sys.argv[3]), 1
s = onnxruntime.InferenceSession(sys.argv[1], o, providers=["CPUExecutionProvider"])
names = [i.name for i in s.get_inputs()]
x = {k: v for k, v in ids(int(sys.argv[2]), int(sys.argv[4])).items() if k in names}
timed(lambda: s.run(None, x))
"""
MAKE_BERT_BASE = """
import sys, torch, transformers
torch.manual_seed(1)
config = transformers.BertConfig(num_labels=2)
transformers.BertForSequenceClassification(config).save_pretrained(sys.argv[1])
"""


def peer(code, model, batch, threads, length=128):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
               HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, model, str(batch),
                           str(threads), str(length)], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def ours(bench, what, model, batch, length, threads):
    done = subprocess.run([bench, what, model, str(batch), str(length), "5", str(threads)],
                          capture_output=True, text=True, check=True)
    r = json.loads(done.stdout.splitlines()[0])
    return {"s": r["cpu_s"] if threads == 1 else r["wall_s"], "rss": r["peak_rss_bytes"]}


def compare(name, other, a, b, rounds):
    """Alternate; ratio is how many times faster the first is than the second."""
    runs = [(a(), b()) for _ in range(rounds)]
    mine, theirs = ({k: statistics.median(r[i][k] for r in runs) for k in ("s", "rss")}
                    for i in (0, 1))
    print("%-28s %9.1f ms %9.1f ms %6.2fx %7.0f MB %7.0f MB  %s"
          % (name, 1e3 * mine["s"], 1e3 * theirs["s"], theirs["s"] / mine["s"], mine["rss"] / 1e6,
             theirs["rss"] / 1e6, other), flush=True)


def text_run(args):
    """Seconds and peak memory of a run of the program."""
    child = "import resource, subprocess, sys, time; t = time.perf_counter(); " \
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); " \
            "print(time.perf_counter() - t, " \
            "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    done = subprocess.run([sys.executable, "-c", child, *args], capture_output=True, text=True,
                          check=True)
    s, rss = done.stdout.split()
    return {"s": float(s), "rss": int(rss)}


def make_bert_base(folder, tokenizer):
    """In a process of its own: a child's peak memory starts at its parent's."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", MAKE_BERT_BASE, folder], check=True,
                   capture_output=True)
    shutil.copy(tokenizer, os.path.join(folder, "tokenizer.json"))


def bert_base(args):
    dsc, bench, tokenizer, data = args[:4]
    threads = int(args[4]) if len(args) > 4 else 2
    rounds = int(args[5]) if len(args) > 5 else 3
    with tempfile.TemporaryDirectory() as tmp:
        folder, onnx, int8 = (os.path.join(tmp, n) for n in ("bert", "bert.onnx", "int8.onnx"))
        rows = os.path.join(tmp, "rows.tsv")
        with open(data, encoding="utf-8") as f, open(rows, "w", encoding="utf-8") as out:
            out.write("text\tlabel\n")
            out.writelines("%s\t%d\n" % (line.split("\t")[0], i % 2)
                           for i, line in zip(range(513), f) if i > 0)
        make_bert_base(folder, tokenizer)
        quiet = ["-j", str(threads), "-f", "-q"]
        subprocess.run([dsc, "export", folder, "-o", onnx, "-q"], check=True)
        calibrate = [dsc, "calibrate", onnx, "--data", rows, "-o", os.path.join(tmp, "x.ranges")]
        subprocess.run([*calibrate, *quiet], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([dsc, "quantize", onnx, "--calib", rows, "--ranges", calibrate[-1],
                        "--observer", "percentile", "-o", int8, *quiet], check=True,
                       stdout=subprocess.DEVNULL)
        heading(threads)
        for batch in (1, 8):
            compare("BERT-base fp32, %d x 128" % batch, "ONNX Runtime",
                    lambda: ours(bench, "infer", onnx, batch, 128, threads),
                    lambda: peer(ORT_RUN, onnx, batch, threads), rounds)
            compare("BERT-base int8, %d x 128" % batch, "our fp32",
                    lambda: ours(bench, "infer", int8, batch, 128, threads),
                    lambda: ours(bench, "infer", onnx, batch, 128, threads), rounds)
        compare("BERT-base calibrate, 512 rows", "our eval of the rows",
                lambda: text_run([*calibrate, *quiet]),
                lambda: text_run([dsc, "eval", onnx, "--data", rows, "--metric", "accuracy",
                                  "-j", str(threads), "-q"]), rounds)


def weight_only(args):
    dsc, bench, model = args[:3]
    threads = int(args[3]) if len(args) > 3 else 1
    rounds = int(args[4]) if len(args) > 4 else 3
    with tempfile.TemporaryDirectory() as tmp:
        fp32 = os.path.join(tmp, "fp32.onnx")
        subprocess.run([dsc, "export", model, "-o", fp32, "-q"], check=True)
        heading(threads)

        def ours_of(file):
            return lambda: ours(bench, "infer", file, 1, 32, threads)

        def peer_of(file):
            return lambda: peer(ORT_RUN, file, 1, threads, 32)

        compare("fp32, 1 x 32", "ONNX Runtime", ours_of(fp32), peer_of(fp32), rounds)
        for name, target in (("DequantizeLinear", "generic"), ("MatMulNBits", "ort")):
            file = os.path.join(tmp, target + ".onnx")
            subprocess.run([dsc, "quantize", fp32, "--method", "weight-only", "--scheme", "w4",
                            "--granularity", "group:64", "--target", target, "-o", file, "-q"],
                           check=True, stdout=subprocess.DEVNULL)
            compare("w4 " + name, "our fp32", ours_of(file), ours_of(fp32), rounds)
            compare("w4 " + name, "ONNX Runtime", ours_of(file), peer_of(file), rounds)


def heading(threads):
    print("%-28s %12s %12s %7s %10s %10s  peer, %d threads, %s time"
          % ("", "ours", "peer", "ratio", "ours", "peer", threads, "CPU" if threads == 1 else "wall"))


def main(args):
    bench, folder, onnx = args[:3]
    int8 = args[3] if len(args) > 3 and args[3] != "-" else None
    threads = int(args[4]) if len(args) > 4 else 1
    rounds = int(args[5]) if len(args) > 5 else 3
    heading(threads)
    compare("train step, batch 32 x 64", "PyTorch fp32",
            lambda: ours(bench, "train", folder, 32, 64, threads),
            lambda: peer(TORCH_STEP, folder, 32, threads), rounds)
    for batch in (1, 8):
        compare("fp32, batch %d x 128" % batch, "ONNX Runtime",
                lambda: ours(bench, "infer", onnx, batch, 128, threads),
                lambda: peer(ORT_RUN, onnx, batch, threads), rounds)
        if int8:
            compare("int8, batch %d x 128" % batch, "our fp32",
                    lambda: ours(bench, "infer", int8, batch, 128, threads),
                    lambda: ours(bench, "infer", onnx, batch, 128, threads), rounds)
            compare("int8, batch %d x 128" % batch, "ONNX Runtime int8",
                    lambda: ours(bench, "infer", int8, batch, 128, threads),
                    lambda: peer(ORT_RUN, int8, batch, threads), rounds)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    if sys.argv[1] == "--bert-base":
        bert_base(sys.argv[2:])
    elif sys.argv[1] == "--weight-only":
        weight_only(sys.argv[2:])
    else:
        main(sys.argv[1:])
