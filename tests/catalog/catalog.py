#!/usr/bin/env python3
"""The catalogue of bad input: every file of it, and what the program must say of it.

    catalog.py write DIR [KIND ..]      write the files, and cases.tsv: file, class, place
    catalog.py run PROGRAM [KIND ..]    let the program inspect each (TAP)

KIND is gguf, hdf5, keras or pt: KIND_cases.py holds a function cases() of (name, bytes, class, place). A class is
that of the one error line: exit status 65, the file named, and in it the object or byte that
`place` says; nothing on stdout, unless a + stands before the class: a fault of values, which are read
when other things have been said. None is a file that must be read. Each takes at most 2 s of
processor time, and 64 MiB and four times the file of memory (not asked under DSC_SANITIZED).
"""
import importlib
import os
import resource
import subprocess
import sys
import tempfile

KINDS = ["gguf", "hdf5", "keras", "pt"]
SECONDS, BASE_BYTES = 2, 64 << 20


def files(kinds):
    for kind in kinds or KINDS:
        for name, data, cls, place in importlib.import_module(kind + "_cases").cases():
            yield f"{kind}-{name}.{kind}", data, cls, place


def write(folder, kinds):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "cases.tsv"), "w") as table:
        for name, data, cls, place in files(kinds):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
            print(name, cls or "OK", place, sep="\t", file=table)


def inspect(program, path):
    """(exit status, stdout, stderr, seconds of processor time, peak bytes)"""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen([program, "inspect", "--validate", path], stdout=out, stderr=err)
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
    is_late = bool(cls) and cls[0] == "+"
    cls = cls.lstrip("+") if cls else cls
    if code != (65 if cls else 0):
        faults.append(f"exit status {code}")
    if cls and (len(lines) != 1 or not lines[0].startswith(f"dscompress: error: {path}: ")):
        faults.append("not one line that names the file")
    if cls and not err.split("\n  hint")[0].rstrip("\n").endswith(f"[{cls}]"):
        faults.append(f"no [{cls}]")
    if cls and place not in err:
        faults.append(f"no {place!r} in it")
    if cls and out and not is_late:
        faults.append("an output")
    if seconds > SECONDS:
        faults.append(f"{seconds:.1f} s")
    if has_memory and peak > BASE_BYTES + 4 * n_bytes:
        faults.append(f"{peak >> 20} MiB")
    return faults


def run(program, kinds):
    has_memory = "DSC_SANITIZED" not in os.environ
    n_bad = n = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, data, cls, place in files(kinds):
            n += 1
            path = os.path.join(folder, name)
            with open(path, "wb") as f:
                f.write(data)
            got = inspect(program, path)
            faults = faults_of(path, len(data), cls, place, has_memory, got)
            n_bad += bool(faults)
            print(f"{'not ok' if faults else 'ok'} {n} - {name}{': ' if faults else ''}{', '.join(faults)}")
            for line in (got[2].rstrip("\n").split("\n") if faults else []):
                print("# " + line)
            os.unlink(path)
    print(f"1..{n}")
    return 1 if n_bad else 0


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("write", "run"):
        sys.exit(__doc__)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit((write if sys.argv[1] == "write" else run)(sys.argv[2], sys.argv[3:]))


main()
