#!/usr/bin/env python3
"""Distillation side by side with PyTorch: a large teacher live, a small student, 64 tokens, batches of 16.

    tests/bench/bench_distill.py DSCOMPRESS TEACHER_DIR STUDENT_DIR [THREADS [ROUNDS]]

The folders are Hugging Face's, as tools/fetch-assets gets them (mpnet, minilm). Of ours the time of a
row is the difference between runs on 32 and on 160 rows of 64 tokens, so that loading, planning and
writing fall out; `cached` is the same with --teacher-cache of a run before. PyTorch runs the teacher
without gradients and steps the student (KL and cross entropy, clipping, AdamW) on batches of the
same size. Ours and PyTorch's run alternately; medians over the rounds are printed.
"""
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

FEW, MANY = 32, 160

TORCH = """
import json, statistics, sys, time
import torch, transformers
transformers.logging.set_verbosity_error()
torch.set_num_threads(int(sys.argv[3]))
load = transformers.AutoModelForSequenceClassification.from_pretrained
teacher, student = load(sys.argv[1], num_labels=2).eval(), load(sys.argv[2], num_labels=2).train()
opt = torch.optim.AdamW(student.parameters(), lr=5e-5)
ids, mask = torch.randint(1000, 20000, (16, 64)), torch.ones(16, 64, dtype=torch.long)
y, t, alpha = torch.zeros(16, dtype=torch.long), 3.0, 0.7
def step(live, said=torch.zeros(16, 2)):
    if live:
        with torch.no_grad():
            said = teacher(input_ids=ids, attention_mask=mask).logits
    opt.zero_grad(set_to_none=True)
    out = student(input_ids=ids, attention_mask=mask).logits
    kl = torch.nn.functional.kl_div((out / t).log_softmax(-1), (said / t).softmax(-1), reduction="batchmean")
    (alpha * t * t * kl + (1 - alpha) * torch.nn.functional.cross_entropy(out, y)).backward()
    torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    opt.step()
def timed(live):
    times = []
    for _ in range(6):
        start = time.perf_counter(); step(live); times.append((time.perf_counter() - start) / 16)
    return statistics.median(times[1:])
print(json.dumps({"live": timed(True), "cached": timed(False)}))
"""


def torch_rows(teacher, student, threads):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), HF_HUB_OFFLINE="1")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", TORCH, teacher, student, str(threads)],
                          env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def write_rows(path, n, words):
    rng = random.Random(n)
    with open(path, "w", encoding="utf-8") as f:
        f.write("text\tlabel\n")
        for i in range(n):
            f.write(" ".join(rng.choices(words, k=90)) + f"\t{'ab'[i % 2]}\n")


def timed(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def our_rows(dscompress, folder, teacher, student, threads):
    """Seconds of a row, live and with a cache."""
    times = {}
    for n in (FEW, MANY):
        common = [dscompress, "distill", student, "--teacher", teacher, "--train", f"{folder}/{n}.tsv",
                  "--positive", "b", "--epochs", "1", "--batch", "16", "--max-length", "64",
                  "-j", str(threads), "-q", "-f", "--progress", "none", "-o", f"{folder}/out.onnx"]
        cache = ["--teacher-cache", f"{folder}/{n}.cache"]
        times["live", n] = timed(common)
        if not os.path.exists(cache[1]):
            timed(common + cache)
        times["cached", n] = timed(common + cache)
    return {kind: (times[kind, MANY] - times[kind, FEW]) / (MANY - FEW) for kind in ("live", "cached")}


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    dscompress, teacher_dir, student_dir = sys.argv[1:4]
    threads = int(sys.argv[4]) if len(sys.argv) > 4 else os.cpu_count()
    rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 3
    with open(f"{student_dir}/vocab.txt", encoding="utf-8") as f:
        words = [w for w in f.read().split("\n") if w.isascii() and w.isalpha() and len(w) > 2]
    with tempfile.TemporaryDirectory() as folder:
        for n in (FEW, MANY):
            write_rows(f"{folder}/{n}.tsv", n, words)
        teacher = f"{folder}/teacher.onnx"
        subprocess.run([dscompress, "train", teacher_dir, "--train", f"{folder}/{FEW}.tsv", "--epochs", "1",
                        "--max-length", "8", "--positive", "b", "-q", "-o", teacher],
                       check=True, capture_output=True)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(our_rows(dscompress, folder, teacher, student_dir, threads))
            theirs.append(torch_rows(teacher_dir, student_dir, threads))
    print(f"rows/s, {threads} threads, median of {rounds} rounds")
    for kind in ("live", "cached"):
        a, b = (1 / statistics.median(r[kind] for r in side) for side in (ours, theirs))
        print(f"{kind:7} ours {a:7.1f}   PyTorch {b:7.1f}   ratio {a / b:.2f}")
    live, cached = (statistics.median(r[kind] for r in ours) for kind in ("live", "cached"))
    print(f"ours, cached to live: {live / cached:.2f}")


main()
