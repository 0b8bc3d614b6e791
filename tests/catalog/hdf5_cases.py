"""HDF5 files that are broken, or that lead elsewhere: (name, bytes, class or None, place)."""
import struct
import zlib

from hdf5_make import (DATATYPE, EXTERNAL, FILTERS, LAYOUT, SPACE, UNDEFINED, File, attribute, contiguous, elsewhere,
                       float_type, group, hard, header, int_type, link, message, soft, space, text_type)

VALUES = struct.pack("<6f", *range(6))
MAX63, MAX64 = 2**63 - 1, 2**64 - 1


def one(more=(), links=(), values=VALUES, dims=(2, 3), kind=None):
    """A dataset 'w' in the root."""
    f = File()
    w = f.dataset(values, *dims, kind=kind, more=more)
    return f.end(f.put(group([hard("w", w), *links])))


def custom(messages, values=VALUES):
    """The dataset's messages by a function of the values' place."""
    f = File()
    at = f.put(values)
    return f.end(f.tree({"w": f.put(header(messages(at)))}))


def layout(body, dims=(2, 3), kind=None, more=()):
    return custom(lambda at: [message(SPACE, space(*dims)), message(DATATYPE, kind or float_type()),
                              message(LAYOUT, body(at)), *more])


def chunked(stored, n_bytes, rows, filters=(1,), chunk=None):
    """A dataset [rows] of f32 in one chunk."""
    f = File()
    at = f.put(stored)
    node = f.put(b"TREE" + struct.pack("<BBH", 1, 0, 1) + UNDEFINED * 2 +
                 struct.pack("<IIQQ", len(stored), 0, 0, 0) + struct.pack("<Q", at) +
                 struct.pack("<IIQQ", 0, 0, rows, 0) + bytes(32 * 64 * 2))
    pipeline = struct.pack("<BB6x", 1, len(filters)) + b"".join(
        struct.pack("<HHHHI4x", i, 0, 1, 1, 6 if i == 1 else 4) for i in filters)
    body = struct.pack("<BBBQII", 3, 2, 2, node, chunk or n_bytes // 4, 4)
    return f.end(f.tree({"w": f.put(header([message(SPACE, space(rows)), message(DATATYPE, float_type()),
                                            message(LAYOUT, body), message(FILTERS, pipeline)]))}))


GOOD = one()


def whole():
    yield "good", GOOD, None, ""
    yield "userblock", bytes(512) + GOOD, None, ""
    yield "no-datasets", empty(), "EMPTY", ""
    yield "empty-dataset", one(values=b"", dims=(0, 3)), None, ""
    yield "scalar", one(values=VALUES[:4], dims=()), None, ""
    yield "big-endian", one(kind=float_type(order=1)), None, ""
    yield "text-alone", one(values=b"hello", dims=(), kind=text_type(5)), "EMPTY", ""
    yield "attribute", one([attribute("note", "a text")]), None, ""
    yield "two-names", twice(), None, ""


def empty():
    f = File()
    return f.end(f.tree({}))


def twice():
    f = File()
    w = f.dataset(VALUES, 6)
    return f.end(f.put(group([hard("a", w), hard("b", w)])))


def cuts():
    for n in range(8, len(GOOD), 13):
        yield f"cut-{n}", GOOD[:n], "TRUNC", ""
    yield "eof-2^63", GOOD[:40] + struct.pack("<Q", MAX63) + GOOD[48:], "TRUNC", ""
    yield "eof-0", GOOD[:40] + bytes(8) + GOOD[48:], "INCONSISTENT", ""


def put(at, value):
    return GOOD[:at] + value + GOOD[at + len(value):]


def superblock():
    yield "version-9", put(8, b"\x09"), "INCONSISTENT", ""
    yield "offsets-of-3", put(13, b"\x03"), "INCONSISTENT", ""
    yield "lengths-of-0", put(14, b"\0"), "INCONSISTENT", ""
    yield "leaf-k-0", put(16, b"\0\0"), "INCONSISTENT", ""
    yield "root-2^63", put(64, struct.pack("<Q", MAX63)), "INCONSISTENT", ""
    yield "root-minus-1", put(64, UNDEFINED), "INCONSISTENT", ""
    yield "root-in-superblock", put(64, bytes(8)), "INCONSISTENT", ""
    yield "root-is-values", put(64, struct.pack("<Q", 96)), "VERSION", ""


def headers():
    def of(case, block, cls, place="'w'"):
        f = File()
        w = f.put(block(f))
        return "header-" + case, f.end(f.tree({"w": w})), cls, place

    def messages(f):
        at = f.put(VALUES)
        return [message(SPACE, space(2, 3)), message(DATATYPE, float_type()), message(LAYOUT, contiguous(at, 24))]

    yield of("nothing", lambda f: header([]), "INCONSISTENT")
    yield of("n-65535", lambda f: header(messages(f), n=65535), None)
    yield of("size-2^31", lambda f: header(messages(f), size=2**31), "INCONSISTENT")
    yield of("size-2^32", lambda f: header(messages(f), size=2**32 - 1), "INCONSISTENT")
    yield of("no-space", lambda f: header(messages(f)[1:]), "EMPTY", "")
    yield of("no-type", lambda f: [header(m[:1] + m[2:]) for m in [messages(f)]][0], "INCONSISTENT")
    yield of("no-layout", lambda f: header(messages(f)[:2]), "INCONSISTENT")
    yield of("version-7", lambda f: b"\7" + header(messages(f))[1:], "VERSION")
    yield of("continued-2^40", lambda f: header([*messages(f), message(16, struct.pack("<QQ", 2**40, 64))]), "RANGE")
    yield of("unknown-message", lambda f: header([*messages(f), message(0x7F, bytes(8), flags=0x80)]), "INCONSISTENT")


def spaces():
    def of(case, body, cls, place="'w'"):
        return "space-" + case, custom(lambda at: [message(SPACE, body), message(DATATYPE, float_type()),
                                                   message(LAYOUT, contiguous(at, 24))]), cls, place

    yield of("2^31", space(2**31, 2**31), "OVERFLOW")
    yield of("2^63", space(2**63 - 1, 2), "OVERFLOW")
    yield of("minus-1", space(MAX64), "INCONSISTENT")
    yield of("larger", space(2, 4), "INCONSISTENT")
    yield of("9-axes", space(*[1] * 9), "LIMIT")
    yield of("200-axes", space(2, 3, rank=200), "INCONSISTENT")
    yield of("version-9", space(2, 3, version=9), "INCONSISTENT")


def types():
    def of(case, kind, cls, place="'w'"):
        return "type-" + case, one(kind=kind), cls, place

    yield of("size-0", float_type()[:4] + struct.pack("<I", 0) + float_type()[8:], "EMPTY", "")
    yield of("size-2^31", float_type()[:4] + struct.pack("<I", 2**31) + float_type()[8:], "EMPTY", "")
    yield of("class-15", float_type(head=0x1F), "INCONSISTENT")
    yield of("version-9", float_type(head=0x91), "INCONSISTENT")
    yield "type-f3", one(kind=float_type(exp_at=20, exp_bits=11, bias=1023)), "EMPTY", ""
    yield "type-u3", one(values=bytes(18), kind=int_type(3)), "EMPTY", ""
    nested = float_type()
    for _ in range(200):
        nested = bytes([0x29, 0, 0, 0]) + struct.pack("<I", 4) + nested   # lists of lists
    yield "type-nested", one(values=bytes(96), kind=nested), "EMPTY", ""


def layouts():
    yield "layout-2^63", layout(lambda at: contiguous(MAX63, 24)), "RANGE", "'w'"
    yield "layout-behind-the-end", layout(lambda at: contiguous(10**6, 24)), "RANGE", "'w'"
    yield "layout-size-2^63", layout(lambda at: contiguous(at, MAX63)), None, ""
    yield "layout-size-0", layout(lambda at: contiguous(at, 0)), "INCONSISTENT", "'w'"
    yield "layout-version-9", layout(lambda at: contiguous(at, 24, 9)), "INCONSISTENT", "'w'"
    yield "layout-class-9", layout(lambda at: b"\3\x09" + contiguous(at, 24)[2:]), "INCONSISTENT", "'w'"
    yield "layout-virtual", layout(lambda at: struct.pack("<BBQI", 4, 3, 96, 0)), "INCONSISTENT", "'w'"
    yield "layout-claims-2^40", layout(lambda at: b"\3\1" + UNDEFINED + struct.pack("<Q", 2**42), dims=(2**40,)), "LIMIT", "'w'"


def links():
    yield "link-external", one(links=[elsewhere("x", "/etc/passwd", "/")]), "PATH", "'x'"
    yield "link-external-relative", one(links=[elsewhere("x", "../other.h5", "/w")]), "PATH", "'x'"
    yield "link-soft", one(links=[soft("x", "/w")]), "UNSUPPORTED", "'x'"
    yield "link-soft-itself", one(links=[soft("x", "/x")]), "UNSUPPORTED", "'x'"
    yield "link-own-type", one(links=[link("x", struct.pack("<H", 0), 99)]), "UNSUPPORTED", "'x'"
    yield "link-2^63", one(links=[hard("x", MAX63)]), "INCONSISTENT", "'x'"
    yield "link-into-values", one(links=[hard("x", 96)]), "VERSION", "'x'"
    yield "link-no-utf8", one(links=[hard(b"\xff\xfe", 96)]), "VERSION", ""
    yield "link-name-of-0", one(links=[link("", struct.pack("<Q", 96))]), "INCONSISTENT", ""
    f = File()
    w = f.dataset(VALUES, 6)
    yield "link-name-twice", f.end(f.put(group([hard("w", w), hard("w", w)]))), "DUP", "'w'"
    f = File()
    yield "name-no-utf8", f.end(f.put(group([hard(b"\xff\xfe", f.dataset(VALUES, 6))]))), "ENCODING", ""
    f = File()
    yield "name-long", f.end(f.tree({"a" * 255: {"b" * 255: {"c" * 255: {"d" * 255: {"e" * 255: f.dataset(VALUES, 6)}}}}})), "LIMIT", ""


def groups():
    f = File()
    root = len(f.data)
    f.data += bytes(-root % 8)
    yield "group-itself", f.end(f.put(group([hard("again", root)]))), "ALIAS", "'again'"
    f = File()
    inner = f.tree({"w": f.dataset(VALUES, 6)})
    yield "group-twice", f.end(f.put(group([hard("a", inner), hard("b", inner)]))), "ALIAS", "'b'"
    for depth, cls in ((20, None), (40, "LIMIT")):
        f = File()
        at = f.dataset(VALUES, 6)
        for _ in range(depth):
            at = f.tree({"g": at})
        yield f"group-{depth}-deep", f.end(at), cls, ""
    f = File()   # 2^30 paths
    at = f.tree({"w": f.dataset(VALUES, 6)})
    for _ in range(30):
        at = f.put(group([hard("a", at), hard("b", at)]))
    yield "group-doubling", f.end(at), "ALIAS", ""
    f = File()
    root = f.put(header([message(17, struct.pack("<QQ", MAX63, 96))]))   # an old group: tree and heap
    yield "group-old-2^63", f.end(root), "RANGE", ""


def filters():
    data = struct.pack("<1024f", *range(1024))
    packed = zlib.compress(data)
    yield "chunk-deflate", chunked(packed, 4096, 1024), None, ""
    yield "chunk-broken", chunked(packed[:-40] + bytes(40), 4096, 1024), "+INCONSISTENT", "'w'"
    yield "chunk-cut", chunked(packed[:100], 4096, 1024), "+INCONSISTENT", "'w'"
    yield "chunk-plugin", chunked(packed, 4096, 1024, (32001,)), "UNSUPPORTED", "'w'"
    yield "chunk-szip", chunked(packed, 4096, 1024, (4,)), "UNSUPPORTED", "'w'"
    yield "chunk-of-0", chunked(packed, 4096, 1024, chunk=2**32 - 1), "INCONSISTENT", "'w'"
    deflate = zlib.compressobj(9)   # in parts: what the tests' program takes is not to count
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(64)) + deflate.flush()
    yield "bomb", chunked(bomb, 64 << 20, 16 << 20), "LIMIT", "'w'"
    yield "bomb-of-chunks", chunked(packed, 4096, 2**34), "LIMIT", "'w'"


def storage():
    def slots(at):
        return struct.pack("<B3xHHQ", 1, 1, 1, at) + struct.pack("<QQQ", 8, 0, 24)

    f = File()
    names = f.put(b"\0" * 8 + b"/etc/passwd\0" + bytes(12))
    heap = f.put(b"HEAP" + struct.pack("<B3xQQQ", 0, 32, 1, names))
    w = f.put(header([message(SPACE, space(2, 3)), message(DATATYPE, float_type()),
                      message(LAYOUT, b"\3\1" + UNDEFINED + struct.pack("<Q", 24)), message(EXTERNAL, slots(heap))]))
    yield "external-storage", f.end(f.tree({"w": w})), "PATH", "'w'"


def attributes():
    long = attribute("note", "x" * 1000)
    for case, at, value, cls in (("size-2^32", 8 + 8 + 8 + 4, struct.pack("<I", 2**32 - 1), "RANGE"),
                                 ("name-size", 8 + 2, b"\xff\xff", "INCONSISTENT"),
                                 ("no-utf8", len(long) - 500, b"\xff", "ENCODING"),
                                 ("version", 8, b"\x09", "INCONSISTENT")):
        f = File()
        w = f.dataset(VALUES, 6)
        broken = long[:at] + value + long[at + len(value):]
        yield "attribute-" + case, f.end(f.put(group([hard("w", w)], [broken]))), cls, ""


def cases():
    for part in (whole, cuts, superblock, headers, spaces, types, layouts, links, groups, filters, storage, attributes):
        yield from part()
