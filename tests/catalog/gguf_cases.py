"""GGUF files that are broken, and odd ones that are not: (name, bytes, class or None, place)."""
import struct

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
Q4_0, Q4_K, MAX63, MAX64 = 2, 12, 2**63, 2**64 - 1


def text(s, n=None):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(b) if n is None else n) + b


def key(name, kind, value, n=None):
    return text(name, n) + struct.pack("<I", kind) + value


def tensor(name, dims, kind, offset, n_dims=None):
    return (text(name) + struct.pack("<I", len(dims) if n_dims is None else n_dims) +
            struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", kind, offset))


def gguf(keys=(), tensors=(), data=b"", version=3, n_keys=None, n_tensors=None, align=32):
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors,
                                 len(keys) if n_keys is None else n_keys)
    head += b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % align) + data


NAME = key("general.architecture", STRING, text("test"))
ONE = tensor("w", [4], 0, 0)
GOOD = gguf([NAME], [ONE], bytes(16))


def nest(depth):
    value = struct.pack("<IQ", U8, 0)
    for _ in range(depth):
        value = struct.pack("<IQ", ARRAY, 1) + value
    return key("deep", ARRAY, value)


def headers():
    yield "empty-file", b"", "MAGIC", ""
    yield "magic-only", b"GGUF", "TRUNC", "byte 4"
    yield "version-1", gguf(version=1), "VERSION", "byte 8"
    yield "version-0", gguf(version=0), "VERSION", "byte 8"
    yield "version-huge", gguf(version=2**32 - 1), "VERSION", "byte 8"
    yield "big-endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "UNSUPPORTED", "byte 8"
    yield "keys-2^64", gguf(n_keys=MAX64), "LIMIT", "byte 24"
    yield "keys-2^31", gguf(n_keys=2**31), "LIMIT", "byte 24"
    yield "keys-not-there", gguf(n_keys=4000), "TRUNC", "byte 24"
    yield "tensors-2^64", gguf(n_tensors=MAX64), "TRUNC", "byte 24"
    yield "tensors-2^63", gguf(n_tensors=MAX63), "TRUNC", "byte 24"
    yield "tensors-2^31", gguf(n_tensors=2**31), "TRUNC", "byte 24"
    yield "none", gguf(), None, ""
    yield "version-2", gguf([NAME], [ONE], bytes(16), version=2), None, ""


def keys():
    def one(name, k, cls, place, n=1):
        return name, gguf([k], n_keys=n), cls, place

    yield one("key-2^64", key("k", U8, b"\1", n=MAX64), "LIMIT", "byte 32")
    yield one("key-2^63", key("k", U8, b"\1", n=MAX63), "LIMIT", "byte 32")
    yield one("key-no-utf8", key(b"\xff", U8, b"\1"), "ENCODING", "byte 24")
    yield one("key-nul", key(b"a\0b", U8, b"\1"), "ENCODING", "byte 24")
    yield one("value-type-13", key("k", 13, b"\1"), "TYPE", "key 'k'")
    yield one("value-type-2^32", key("k", 2**32 - 1, b"\1"), "TYPE", "key 'k'")
    yield one("bool-2", key("k", BOOL, b"\2"), "RANGE", "key 'k'")
    yield one("string-2^64", key("k", STRING, text("x", MAX64)), "TRUNC", "key 'k'")
    yield one("string-2^63", key("k", STRING, text("x", MAX63)), "TRUNC", "key 'k'")
    yield one("string-no-utf8", key("k", STRING, text(b"a\xc0\x80")), "ENCODING", "key 'k'")
    yield one("array-2^64", key("k", ARRAY, struct.pack("<IQ", U64, MAX64)), "OVERFLOW", "key 'k'")
    yield one("array-2^61", key("k", ARRAY, struct.pack("<IQ", U64, 2**61)), "OVERFLOW", "key 'k'")
    yield one("array-2^60", key("k", ARRAY, struct.pack("<IQ", U64, 2**60)), "TRUNC", "key 'k'")
    yield one("array-of-strings-2^64", key("k", ARRAY, struct.pack("<IQ", STRING, MAX64)), "TRUNC", "key 'k'")
    yield one("array-type-13", key("k", ARRAY, struct.pack("<IQ", 13, 0)), "TYPE", "key 'k'")
    yield one("array-nested-3", nest(3), None, "")
    yield one("array-nested-5", nest(5), "LIMIT", "key 'deep'")
    yield one("array-nested-1000", nest(1000), "LIMIT", "key 'deep'")
    yield one("empty-arrays-without-end",
              key("k", ARRAY, struct.pack("<IQ", ARRAY, 2**62)), "TRUNC", "key 'k'")
    yield "key-twice", gguf([NAME, NAME]), "DUP", "key 'general.architecture'"
    for a in (0, 7, 24, 2**32 - 1):
        yield f"alignment-{a}", gguf([key("general.alignment", U32, struct.pack("<I", a))]), "RANGE", "alignment"
    yield "alignment-u64", gguf([key("general.alignment", U64, struct.pack("<Q", 32))]), "TYPE", "alignment"
    yield "alignment-2^31", gguf([key("general.alignment", U32, struct.pack("<I", 2**31))], [ONE]), "TRUNC", "'w'"
    yield ("alignment-64", gguf([key("general.alignment", U32, struct.pack("<I", 64))],
                                [ONE, tensor("v", [1], 0, 64)], bytes(68), align=64), None, "")


def tensors():
    def one(name, t, cls, data=bytes(16), place="'w'"):
        return name, gguf([], [t], data), cls, place

    yield one("axes-5", tensor("w", [1] * 5, 0, 0), "LIMIT")
    yield one("axes-2^32", tensor("w", [4], 0, 0, n_dims=2**32 - 1), "LIMIT")
    yield one("axis-2^63", tensor("w", [MAX63], 0, 0), "RANGE")
    yield one("axis-2^64", tensor("w", [MAX64], 0, 0), "RANGE")
    yield one("elements-2^64", tensor("w", [2**32, 2**32], 0, 0), "OVERFLOW")
    yield one("bytes-2^64", tensor("w", [2**62], 0, 0), "OVERFLOW")
    yield one("elements-0-by-2^62", tensor("w", [0, 2**62], 0, 0), "OVERFLOW")
    yield one("elements-0-by-3", tensor("w", [0, 3], 0, 0), None)
    yield one("no-axes", tensor("w", [], 0, 0), None)
    yield one("type-4", tensor("w", [32], 4, 0), "UNSUPPORTED")
    yield one("type-2^32", tensor("w", [32], 2**32 - 1, 0), "UNSUPPORTED")
    yield one("rows-of-33", tensor("w", [33], Q4_0, 0), "SHAPE")
    yield one("rows-of-32-of-256", tensor("w", [32, 8], Q4_K, 0), "SHAPE")
    yield one("offset-1", tensor("w", [1], 0, 1), "RANGE")
    yield one("offset-behind-the-end", tensor("w", [4], 0, 32), "TRUNC")
    yield one("offset-2^63", tensor("w", [4], 0, MAX63), "TRUNC")
    yield one("offset-2^64", tensor("w", [4], 0, 2**64 - 32), "TRUNC")
    yield one("data-short", tensor("w", [4], 0, 0), "TRUNC", bytes(15))
    yield one("data-none", tensor("w", [4], 0, 0), "TRUNC", b"")
    yield one("hole", tensor("w", [4], 0, 32), "RANGE", bytes(48))
    yield one("name-no-utf8", tensor(b"\xed\xa0\x80", [4], 0, 0), "ENCODING", place="byte 24")
    yield "overlap", gguf([], [ONE, tensor("v", [4], 0, 0)], bytes(16)), "ALIAS", "'"
    yield "tensor-twice", gguf([], [ONE, tensor("w", [4], 0, 32)], bytes(48)), "DUP", "'w'"
    many = [tensor(f"t{i}", [1], 0, 32 * i) for i in range(100000)]
    yield "100000-tensors", gguf([], many, bytes(32 * 100000)), None, ""


def cuts():
    for n in range(4, len(GOOD) - 15):
        yield f"cut-{n}", GOOD[:n], "TRUNC", "byte"


def cases():
    for part in (headers, keys, tensors, cuts):
        yield from part()
