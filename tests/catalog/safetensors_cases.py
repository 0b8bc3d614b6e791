"""safetensors files that are broken: (name, bytes, class or None, place)."""
import json
import struct

HUGE = [2**31, 2**63 - 1, 2**64 - 1]


def file(header, data=bytes(24), n=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if n is None else n) + text + data


def one(dtype="F32", shape=(2, 3), at=(0, 24)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(at)}


GOOD = file({"w": one()})


def whole():
    yield "good", GOOD, None, ""
    yield "spaces", file(json.dumps({"w": one()}).encode() + b"   "), None, ""
    yield "metadata", file({"__metadata__": {"format": "pt"}, "w": one()}), None, ""
    yield "no-elements", file({"w": one(shape=(0, 3), at=(0, 0))}, b""), None, ""
    yield "scalar", file({"w": one(shape=(), at=(0, 4))}, bytes(4)), None, ""
    yield "nan", file({"w": one()}, struct.pack("<6f", 0, float("nan"), 0, 0, 0, 0)), "CHECK", "'w'"
    yield "inf", file({"w": one()}, struct.pack("<6f", 1, float("inf"), 0, 0, 0, 0)), "CHECK", "'w'"


def truncated():
    for n in (0, 1, 7):
        yield f"cut-{n}", GOOD[:n], "TRUNC", ""
    yield "cut-header", GOOD[:20], "TRUNC", ""
    yield "cut-data", GOOD[:-1], "RANGE", "'w'"
    yield "no-data", file({"w": one()}, b""), "RANGE", "'w'"


def headers():
    for n in HUGE:
        yield f"header-{n}", file({"w": one()}, n=n), "LIMIT", ""
    yield "header-0", file(b""), "SCHEMA", ""
    yield "header-not-json", file(b"{not json"), "SCHEMA", ""
    yield "header-list", file([1, 2]), "SCHEMA", ""
    yield "header-cut-json", file(b'{"w": {"dtype"'), "SCHEMA", ""
    yield "header-not-utf8", file(b'{"\xff": {}}'), "SCHEMA", ""
    yield "header-deep", file(b'{"w":' + b"[" * 100000 + b"]" * 100000 + b"}"), "SCHEMA", ""
    yield "name-twice", file(b'{"w":' + json.dumps(one()).encode() + b',"w":' + json.dumps(one()).encode() + b"}"), "SCHEMA", "duplicate"
    yield "name-nul", file(b'{"a\\u0000b":' + json.dumps(one()).encode() + b"}"), "SCHEMA", "NUL"
    yield "metadata-number", file({"__metadata__": {"a": 1}, "w": one()}), "SCHEMA", "metadata"
    yield "metadata-list", file({"__metadata__": [], "w": one()}), "SCHEMA", "__metadata__"


def entries():
    for key in ("dtype", "shape", "data_offsets"):
        without = one()
        del without[key]
        yield "no-" + key, file({"w": without}), "SCHEMA", "'w'"
    yield "entry-number", file({"w": 3}), "SCHEMA", "'w'"
    yield "key-unknown", file({"w": {**one(), "strides": [3, 1]}}), None, ""
    yield "dtype-unknown", file({"w": one("F33")}), "UNSUPPORTED", "F33"
    yield "dtype-number", file({"w": one(32)}), "SCHEMA", "'w'"
    yield "shape-minus", file({"w": one(shape=(-2, 3))}), "RANGE", "'w'"
    yield "shape-fraction", file(json.dumps({"w": one()}).replace("[2, 3]", "[2.0, 3]").encode()), "SCHEMA", "'w'"
    yield "shape-text", file({"w": one(shape=("2", 3))}), "SCHEMA", "'w'"
    yield "shape-2-63", file({"w": one(shape=(2**63 - 1, 3))}), "OVERFLOW", "'w'"
    yield "shape-2-64", file({"w": one(shape=(2**64, 3))}), "SCHEMA", ""
    yield "shape-product", file({"w": one(shape=(2**32, 2**32))}), "OVERFLOW", "'w'"
    yield "shape-9-axes", file({"w": one(shape=(1,) * 7 + (2, 3))}), "LIMIT", "'w'"
    yield "shape-other", file({"w": one(shape=(2, 2))}), "INCONSISTENT", "'w'"
    yield "offsets-3", file({"w": one(at=(0, 24, 24))}), "SCHEMA", "'w'"
    yield "offsets-back", file({"w": one(at=(24, 0))}), "RANGE", "'w'"
    yield "offsets-minus", file({"w": one(at=(-24, 0))}), "RANGE", "'w'"
    yield "offsets-2-63", file({"w": one(at=(2**63 - 25, 2**63 - 1))}), "RANGE", "'w'"
    yield "overlap", file({"v": one(at=(0, 24)), "w": one(at=(12, 36))}, bytes(36)), "ALIAS", "'w'"
    yield "same", file({"v": one(), "w": one()}), "ALIAS", ""
    yield "hole", file({"v": one(), "w": one(at=(28, 52))}, bytes(52)), "RANGE", ""
    yield "hole-first", file({"w": one(at=(4, 28))}, bytes(28)), "RANGE", ""
    yield "bytes-after", file({"w": one()}, bytes(28)), "RANGE", ""


def large():
    """The last, since what this program holds counts for those that it starts."""
    many = {f"t{i:06}": one(shape=(1,), at=(4 * i, 4 * i + 4)) for i in range(100000)}
    yield "100000-tensors", file(many, bytes(400000)), None, ""


def cases():
    for part in (whole, truncated, headers, entries, large):
        yield from part()
