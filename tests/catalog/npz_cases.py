"""Arrays that are broken, or too much: (name, bytes, class or None, place), rows for mlp/values.onnx."""
import io
import struct
import zipfile

N = 4
HUGE = [2**31, 2**63 - 1, 2**64 - 1, -1]


def npy(descr="<f4", shape=(N, 12), data=None, order=False, version=1, header=None, magic=b"\x93NUMPY"):
    text = header
    if text is None:
        text = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape!r}, }}"
    text = text.encode("latin-1", "replace") if isinstance(text, str) else text
    text += b" " * (-(len(magic) + 4 + len(text) + 1) % 64) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    if data is None:
        n = 1
        for d in shape:
            n *= d
        data = bytes(n * int(descr[2:]))
    return magic + bytes([version, 0]) + size + text + data


LABEL = npy(shape=(N,))


def archive(*entries, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in entries:
            z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
    return out.getvalue()


def rows(x=None, label=LABEL, extra=(), **kv):
    return archive(("x.npy", npy() if x is None else x), ("label.npy", label), *extra, **kv)


GOOD = rows()
BIG_ROW = struct.pack(">12f", *range(12))
END = b"PK\x05\x06"
CENTRAL = b"PK\x01\x02"


def whole():
    yield "good", GOOD, None, ""
    yield "deflated", rows(method=zipfile.ZIP_DEFLATED), None, ""
    yield "big-endian", rows(npy(">f4", data=BIG_ROW * N)), None, ""
    yield "fortran", rows(npy(order=True)), None, ""
    yield "version-2", rows(npy(version=2)), None, ""
    yield "version-3", rows(npy(version=3)), None, ""
    yield "others-beside", rows(extra=[("more.npy", npy(shape=(7,)))]), None, ""
    yield "no-rows", rows(npy(shape=(0, 12)), npy(shape=(0,))), "EMPTY", ""
    yield "nan", rows(npy(data=bytes(44) + struct.pack("<f", float("nan")) + bytes(4 * 12 * 3))), "NONFINITE", "x"
    yield "inf", rows(npy(data=bytes(44) + struct.pack("<f", float("inf")) + bytes(4 * 12 * 3))), "NONFINITE", "x"


def truncated():
    for n, cls in ((0, "EMPTY"), (1, "MAGIC"), (30, "TRUNC")):
        yield f"cut-{n}", GOOD[:n], cls, ""
    yield "cut-entry", GOOD[:GOOD.index(b"NUMPY") + 20], "TRUNC", ""
    yield "cut-directory", GOOD[:GOOD.index(CENTRAL) + 20], "TRUNC", ""
    yield "cut-end", GOOD[:-1], "TRUNC", ""
    for case, x in (("magic", npy()[:4]), ("version", npy()[:7]), ("length", npy()[:9]), ("header", npy()[:40]),
                    ("data", npy()[:-1]), ("all-data", npy(data=b""))):
        yield "cut-npy-" + case, rows(x), "TRUNC", "x"


def headers():
    yield "magic", rows(npy(magic=b"\x93NUMPX")), "MAGIC", "x"
    yield "version-9", rows(npy(version=9)), "VERSION", "x"
    yield "header-length", rows(b"\x93NUMPY\x02\0" + struct.pack("<I", 2**31) + npy()[10:]), "LIMIT", "x"
    for case, header in (("empty", "{}"), ("not-a-dict", "[1]"), ("code", "__import__('os').system('id')"),
                         ("no-shape", "{'descr': '<f4', 'fortran_order': False, }"),
                         ("key-unknown", "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 12), 'x': 1, }"),
                         ("key-twice", "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4, 12), }"),
                         ("shape-text", "{'descr': '<f4', 'fortran_order': False, 'shape': 'no', }"),
                         ("deep", "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 20000 + ")" * 20000 + "}")):
        yield "header-" + case, rows(npy(header=header)), "SCHEMA", "x"
    for descr in ("|O", "<U4", "|S4", "<c8", "|V4"):
        yield "type-" + descr[1:], rows(npy(header=f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (4, 12), }}")), "UNSUPPORTED", "x"
    yield "type-records", rows(npy(header="{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4, 12), }")), "UNSUPPORTED", "x"
    yield "type-f3", rows(npy(header="{'descr': '<f3', 'fortran_order': False, 'shape': (4, 12), }")), "UNSUPPORTED", "x"
    for n in HUGE:
        shape = f"({n}, 12)"
        yield f"shape-{n}", rows(npy(header=f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")), \
            {2**31: "TRUNC", -1: "SCHEMA"}.get(n, "OVERFLOW"), "x"
    yield "shape-product", rows(npy(header="{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }")), "OVERFLOW", "x"
    yield "shape-9-axes", rows(npy(shape=(1,) * 8 + (4,))), "UNSUPPORTED", "x"
    yield "bytes-after", rows(npy() + b"more"), "INCONSISTENT", "x"


def zips():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        with z.open("x.npy", "w") as entry:
            entry.write(npy("<f4", (2**24, 12), b""))
            for _ in range(768):
                entry.write(bytes(2**20))
        z.writestr("label.npy", LABEL)
    yield "bomb", out.getvalue(), "LIMIT", "x"
    yield "not-a-zip", b"PK\x03\x04" + bytes(100), "TRUNC", ""
    yield "text", b"text\tlabel\na\tb\n" * 10, "MAGIC", ""
    yield "entry-twice", archive(("x.npy", npy()), ("label.npy", LABEL), ("x.npy", npy())), "DUP", "x"
    yield "entry-up", archive(("x.npy", npy()), ("label.npy", LABEL), ("../y.npy", npy())), None, ""
    yield "no-entries", archive(), "EMPTY", ""
    at = GOOD.index(END)
    yield "directory-offset", GOOD[:at + 16] + struct.pack("<I", 2**31) + GOOD[at + 20:], "INCONSISTENT", ""
    yield "directory-count", GOOD[:at + 8] + struct.pack("<HH", 9, 9) + GOOD[at + 12:], "INCONSISTENT", ""
    first = GOOD.index(CENTRAL)
    yield "entry-offset", GOOD[:first + 42] + struct.pack("<I", 2**31) + GOOD[first + 46:], "INCONSISTENT", ""
    yield "entry-size", GOOD[:first + 24] + struct.pack("<I", 2**31) + GOOD[first + 28:], "LIMIT", "x"
    yield "entry-method", GOOD[:first + 10] + struct.pack("<H", 99) + GOOD[first + 12:], "INCONSISTENT", ""
    byte = GOOD.index(b"\n", GOOD.index(b"NUMPY")) + 3
    yield "crc", GOOD[:byte] + b"\1" + GOOD[byte + 1:], "CRC", "x"
    second = GOOD.index(CENTRAL, first + 1)
    yield "overlap", GOOD[:second + 42] + GOOD[first + 42:first + 46] + GOOD[second + 46:], "CRC", ""


def fits():
    yield "no-input", archive(("label.npy", LABEL)), "SCHEMA", "x"
    yield "no-label", archive(("x.npy", npy())), "SCHEMA", "label"
    yield "rows-differ", rows(label=npy(shape=(N + 1,))), "INCONSISTENT", ""
    yield "columns-differ", rows(npy(shape=(N, 11))), "SHAPE", "x"
    yield "rank", rows(npy(shape=(N * 12,))), "SHAPE", "x"
    yield "scalar", rows(npy(shape=())), "SHAPE", "x"
    yield "element-type", rows(npy("<f8")), "TYPE", "x"


def cases():
    for part in (whole, truncated, headers, zips, fits):
        yield from part()
