#!/usr/bin/env python3
"""The catalogue of bad input: every file of it, and what the program must say of it.

    catalog.py write DIR [KIND ..]      write the files, and cases.tsv: file, class, place
    catalog.py run PROGRAM [KIND ..]    let the program read each (TAP)

KIND is a row of COMMANDS: KIND_cases.py holds a function cases() of (name, bytes, class, place); or,
of a model with files beside it, {"": bytes, name: bytes or (what, target)} with what symlink, link
or fifo. A class is that of the one error line: exit status 65, or 1 for CHECK, the file named, and in
it the object or byte that `place` says; nothing on stdout, but what --validate has found, or where a + stands
before the class: a fault of values, which are read when other things have been said. None is a file
that must be read. Each takes at most 2 s of processor time, and 64 MiB and four times the file
of memory where it is broken (ten times as long and any memory under DSC_SANITIZED). GOLDEN is the folder tests/golden.
"""
import importlib
import os
import resource
import subprocess
import sys
import tempfile

GOLDEN = os.environ.get("GOLDEN", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden"))

# What reads a file of the kind: %s, else it is inspected; and the end of its name.
INSPECT = ["inspect", "--validate", "%s"]
COMMANDS = {
    "gguf": (INSPECT, ".gguf"),
    "hdf5": (INSPECT, ".hdf5"),
    "keras": (INSPECT, ".keras"),
    "onnx": (INSPECT, ".onnx"),
    "pt": (INSPECT, ".pt"),
    "safetensors": (INSPECT, ".safetensors"),
    "npz": (["eval", GOLDEN + "/mlp/values.onnx", "--data", "%s", "--metric", "mse", "--progress", "none"], ".npz"),
    "rows": (["tokenize", GOLDEN + "/tokenizers/wordpiece.json", "--data", "%s"], ""),
    "tokenizer": (["tokenize", "%s", "--data", os.path.join(os.path.dirname(os.path.abspath(__file__)), "rows.tsv")], ".json"),
}
SECONDS, BASE_BYTES = 2, 64 << 20


def files(kinds):
    """(kind, name of the main file, {name: content}, class, place)"""
    for kind in kinds or COMMANDS:
        for name, data, cls, place in importlib.import_module(kind + "_cases").cases():
            main = f"{kind}-{name}{COMMANDS[kind][1]}"
            beside = data if isinstance(data, dict) else {"": data}
            yield kind, main, {name or main: content for name, content in beside.items()}, cls, place


def put(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if isinstance(content, bytes):
        with open(path, "wb") as f:
            f.write(content)
    elif content[0] == "symlink":
        os.symlink(content[1], path)
    elif content[0] == "link":
        os.link(os.path.join(folder, content[1]), path)
    else:
        os.mkfifo(path)


def write(folder, kinds):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "cases.tsv"), "w") as table:
        for _, main, contents, cls, place in files(kinds):
            stem = main.split(".")[0] if len(contents) > 1 else ""
            for name, content in contents.items():
                put(os.path.join(folder, stem), name, content)
            print(os.path.join(stem, main), cls or "OK", place, sep="\t", file=table)


def read(program, command, path):
    """(exit status, stdout, stderr, seconds of processor time, peak bytes)"""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(["prlimit", f"--cpu={10 * SECONDS}", program, *(path if c == "%s" else c for c in command)],
                                 stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return (child.returncode, out.read().decode(), err.read().decode("utf-8", "replace"),
                used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def faults_of(path, n_bytes, cls, place, has_memory, got):
    code, out, err, seconds, peak = got
    lines = [s for s in err.split("\n") if s and not s.startswith("  hint: ")]
    if not has_memory:   # a child's report, where libhdf5 crashes as it would without a sanitizer
        lines = [s for s in lines if s.startswith("dscompress: ")]
    faults = []
    is_late = bool(cls) and (cls[0] == "+" or cls == "CHECK")
    cls = cls.lstrip("+") if cls else cls
    if code != {None: 0, "CHECK": 1}.get(cls, 65):
        faults.append(f"exit status {code}")
    errors = [s for s in lines if s.startswith(f"dscompress: error: {path}: ")]
    if cls and (len(errors) != 1 or (len(lines) != 1 and cls != "CHECK")):
        faults.append("not one line that names the file")
    if cls and not err.split("\n  hint")[0].rstrip("\n").endswith(f"[{cls}]"):
        faults.append(f"no [{cls}]")
    if cls and place not in err:
        faults.append(f"no {place!r} in it")
    if cls and out and not is_late:
        faults.append("an output")
    if seconds > (SECONDS if has_memory else 10 * SECONDS):
        faults.append(f"{seconds:.1f} s")
    if has_memory and cls and peak > BASE_BYTES + 4 * n_bytes:
        faults.append(f"{peak >> 20} MiB")
    return faults


def run(program, kinds):
    has_memory = "DSC_SANITIZED" not in os.environ
    n_bad = n = 0
    for kind, main, contents, cls, place in files(kinds):
        n += 1
        with tempfile.TemporaryDirectory() as folder:
            for name, content in contents.items():
                put(folder, name, content)
            got = read(program, COMMANDS[kind][0], os.path.join(folder, main))
        n_bytes = sum(len(c) for c in contents.values() if isinstance(c, bytes))
        faults = faults_of(os.path.join(folder, main), n_bytes, cls, place, has_memory, got)
        n_bad += bool(faults)
        print(f"{'not ok' if faults else 'ok'} {n} - {main}{': ' if faults else ''}{', '.join(faults)}")
        for line in (got[2].rstrip("\n").split("\n") if faults else []):
            print("# " + line)
    print(f"1..{n}")
    return 1 if n_bad else 0


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("write", "run"):
        sys.exit(__doc__)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit((write if sys.argv[1] == "write" else run)(sys.argv[2], sys.argv[3:]))


main()
