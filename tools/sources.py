"""What the style checks share: the C files of the tree, and C text without comments and strings."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("cli", "calib", "formats", "libcompress", "tests", "examples")

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(suffixes=(".c", ".h")):
    """Paths relative to the root, sorted."""
    found = []
    for top in FOLDERS:
        for folder, folders, names in os.walk(os.path.join(ROOT, top)):
            folders[:] = [d for d in folders if not d.startswith((".", "build"))]
            found += [os.path.relpath(os.path.join(folder, n), ROOT)
                      for n in names if n.endswith(suffixes)]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def code(text):
    """The text with comments blanked and strings emptied; line numbers stay."""
    def blank(m):
        s = m.group(0)
        if s[0] in "\"'":
            return s[0] + s[0]
        return "\n" * s.count("\n")
    return _TOKEN.sub(blank, text)


def is_generated(text):
    return re.match(r"/\* (?:Generated|Made) by ", text) is not None


def finish(name, faults):
    for fault in faults:
        print(fault)
    print(f"{name}: {len(faults)} faults" if faults else f"{name}: ok")
    sys.exit(1 if faults else 0)
