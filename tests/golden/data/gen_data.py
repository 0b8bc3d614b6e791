"""Splits, decoding and CSV as Python does them.

    python gen_data.py > data.json

split   sha256 of the UTF-8 text, first 8 hex digits, mod 100; below 70 train, below 80 dev, else test
decode  bytes (hex) and the UTF-8 (hex) of bytes.decode("utf-8", "replace")
csv     files written by the csv module and the rows that they hold
"""
import csv
import hashlib
import io
import json
import random

r = random.Random(7)
ALPHABET = ["a", "B", " ", "\t", ",", '"', "\n", "\r\n", "é", "ß", "中", "🙂", "\u0301", "0", ";", "\0", "\ufeff"]


def text(n):
    return "".join(r.choice(ALPHABET) for _ in range(n))


def part(t):
    bucket = int(hashlib.sha256(t.encode()).hexdigest()[:8], 16) % 100
    return "train" if bucket < 70 else "dev" if bucket < 80 else "test"


def broken():
    pieces = [b"a", b"\xff", b"\xc3\xa9", b"\xc3", b"\xe4\xb8\xad", b"\xe4\xb8", b"\xe4", b"\xf0\x9f\x99\x82",
              b"\xf0\x9f\x99", b"\xf0\x9f", b"\xf0", b"\xed\xa0\x80", b"\xc0\x80", b"\xe0\x80\x80",
              b"\xf4\x90\x80\x80", b"\xf5\x80", b"\x80", b"\xbf", b"\x00", b"\xf0\x80\x80\x80", b"\xf4\x8f\xbf\xbf"]
    return b"".join(r.choice(pieces) for _ in range(r.randrange(1, 7)))


def csv_case(quoting, line_end):
    rows = [(text(r.randrange(0, 9)).replace("\0", ""), r.choice("ab"), text(3).replace("\0", "")) for _ in range(12)]
    out = io.StringIO()
    w = csv.writer(out, quoting=quoting, lineterminator=line_end)
    w.writerow(["text", "label", "other"])
    w.writerows(rows)
    assert list(csv.reader(io.StringIO(out.getvalue(), newline="")))[1:] == [list(x) for x in rows]
    return {"file": out.getvalue(), "text": [x[0] for x in rows], "label": [x[1] for x in rows]}


split = [{"text": t, "part": part(t)} for t in ["", "a", "spam"] + [text(r.randrange(1, 60)) for _ in range(150)]]
decode = []
for _ in range(300):
    b = broken()
    decode.append([b.hex(), b.decode("utf-8", "replace").encode().hex()])
files = [csv_case(q, e) for q in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC) for e in ("\n", "\r\n")]
print(json.dumps({"split": split, "decode": decode, "csv": files}))
