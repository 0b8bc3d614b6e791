"""PyTorch files that are broken, or that would run code: (name, bytes, class or None, place)."""
import io
import struct
import zipfile

PROTO, STOP, MARK = b"\x80\x02", b".", b"("
MAX63 = 2**63 - 1


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return b"X" + struct.pack("<I", len(b)) + b


def number(i):
    if 0 <= i < 256:
        return b"K" + bytes([i])
    n = 8 if -2**63 <= i < 2**63 else 9
    return b"\x8a" + bytes([n]) + i.to_bytes(n, "little", signed=True)


def items(*parts):
    return MARK + b"".join(parts) + b"t"


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def storage(key="0", n=6, kind="FloatStorage", head="storage", module="torch"):
    return items(text(head), name(module, kind), text(key), text("cpu"), number(n)) + b"Q"


def tensor(size=(2, 3), stride=(3, 1), offset=0, store=None, call="_rebuild_tensor_v2"):
    return (name("torch._utils", call) +
            items(store or storage(), number(offset), items(*map(number, size)), items(*map(number, stride)),
                  b"\x89", name("collections", "OrderedDict") + b")R") + b"R")


def state(value, key=None):
    return PROTO + b"}" + (key or text("w")) + value + b"s" + STOP


def archive(pickle, data=bytes(24), extra=(), method=zipfile.ZIP_STORED, root="archive"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for path, content in [(root + "/data.pkl", pickle), (root + "/data/0", data), *extra]:
            z.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), content,
                       method if path.endswith("data.pkl") else zipfile.ZIP_STORED)
    return out.getvalue()


GOOD = archive(state(tensor()))


def whole():
    yield "good", GOOD, None, ""
    yield "nested", archive(state(b"]" + tensor() + b"a")), None, ""
    yield "itself", archive(state(tensor(), text("a"))[:-1] + b"q\0" + text("self") + b"h\0s."), None, ""
    yield "many", archive(PROTO + b"}(" + b"".join(text(f"w{i}") + tensor(store=storage(f"k{i}")) for i in range(100)) +
                          b"u.", extra=[(f"archive/data/k{i}", bytes(24)) for i in range(100)]), None, ""
    yield "no-tensors", archive(PROTO + b"}."), "EMPTY", ""
    yield "no-pickle", archive(b"")[:0] + archive(b"", root="a/b"), "SCHEMA", "data.pkl"
    yield "two-pickles", archive(state(tensor()), extra=[("other/data.pkl", b"")]), "DUP", "data.pkl"
    yield "big-endian", archive(state(tensor()), extra=[("archive/byteorder", b"big")]), "UNSUPPORTED", "endian"
    yield "little-endian", archive(state(tensor()), extra=[("archive/byteorder", b"little")]), None, ""
    yield "deflated", archive(state(tensor()), method=zipfile.ZIP_DEFLATED), "UNSUPPORTED", "data.pkl"


def pickle_at(data):
    return data.index(b"archive/data.pkl") + len("archive/data.pkl")


def code():
    """Whatever would import or call is refused by its name, at its place."""
    def one(case, body, cls="UNSUPPORTED", place=""):
        return "code-" + case, archive(PROTO + body + STOP), cls, place

    for module, attribute in [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "getattr"),
                              ("__builtin__", "exec"), ("subprocess", "Popen"), ("torch", "load"),
                              ("torch.nn.modules.linear", "Linear"), ("numpy.core.multiarray", "scalar"),
                              ("__torch__", "Net"), ("torch._utils", "_rebuild_qtensor")]:
        body = name(module, attribute) + items(text("id")) + b"R"
        yield one(f"{module}.{attribute}", body, place=f"'{module}.{attribute}'")
    yield one("stack-global", text("os") + text("system") + b"\x93" + items(text("id")) + b"R", place="'os.system'")
    yield one("inst", MARK + text("id") + b"ios\nsystem\n", place="INST")
    yield one("obj", MARK + b"o", place="OBJ")
    for byte, op in [(b"\x82", "EXT1"), (b"\x83", "EXT2"), (b"\x84", "EXT4"), (b"\x92", "NEWOBJ_EX"), (b"P", "PERSID"),
                     (b"S", "STRING"), (b"V", "UNICODE"), (b"I", "INT"), (b"L", "LONG"), (b"F", "FLOAT"),
                     (b"g", "GET"), (b"p", "PUT"), (b"2", "DUP"), (b"\x8f", "EMPTY_SET"), (b"\x8b", "LONG4"),
                     (b"\x97", "NEXT_BUFFER"), (b"\x96", "BYTEARRAY8")]:
        yield one(op, byte + bytes(8), place=op)
    yield one("call-of-a-type", name("torch", "FloatStorage") + b")R", place="torch.FloatStorage")
    yield one("call-of-a-text", text("x") + b")R", "TYPE", "byte")
    yield one("new-object", name("collections", "OrderedDict") + b")\x81", place="byte")
    yield one("state-of-a-list", b"]}b", place="byte")
    yield one("no-opcode", b"\xff", place="0xFF")


def machine():
    def one(case, body, cls, place="byte"):
        return "machine-" + case, archive(PROTO + body), cls, place

    yield one("empty", b"", "TRUNC")
    yield one("no-stop", b"}", "TRUNC")
    yield one("stop-at-once", b".", "RANGE")
    yield one("two-values", b"NN.", "RANGE")
    yield one("mark-at-the-end", b"(.", "RANGE")
    yield one("nothing-to-pop", b"0.", "RANGE")
    yield one("append-to-nothing", b"Na.", "RANGE")
    yield one("append-over-a-mark", b"](Na.", "RANGE")
    yield one("append-to-none", b"NNa.", "TYPE")
    yield one("items-of-a-list", b"]NNs.", "TYPE")
    yield one("odd-items", b"}(Nu.", "TYPE")
    yield one("no-mark", b"]t.", "RANGE")
    yield one("memo-empty", b"h\1.", "RANGE")
    yield one("memo-2^32", b"Nr\xff\xff\xff\xff.", "RANGE")
    yield one("memo-of-nothing", b"q\0.", "RANGE")
    yield one("get-2^32", b"j\xff\xff\xff\xff.", "RANGE")
    yield one("text-2^32", b"X\xff\xff\xff\xff", "TRUNC")
    yield one("text-2^64", b"\x8d" + b"\xff" * 8, "TRUNC")
    yield one("name-without-end", b"c" + b"a" * 100, "TRUNC")
    yield one("protocol-6", b"\x80\x06N.", "VERSION")
    yield one("dict-of-numbers", name("collections", "OrderedDict") + items(number(1)) + b"R.", "TYPE")
    yield one("marks", b"(" * (2 << 20), "LIMIT")
    yield one("lists", b"]0" * (2 << 20), "LIMIT")
    yield one("deep", b"]" * 10000 + b"a" * 9999 + b".", "LIMIT", "deeper")
    grown = b"]q\0" + b"".join(b"](" + b"h" + bytes([i]) * 1 + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1])
                               for i in range(30))
    yield one("doubling", grown + b"0" * 30 + b".", "EMPTY", "")
    yield "key-no-utf8", archive(state(tensor(), text(b"\xff"))), "ENCODING", ""
    yield "key-nul", archive(state(tensor(), text(b"a\0"))), "ENCODING", ""
    yield "key-long", archive(state(tensor(), text("k" * 2000))), "LIMIT", ""
    yield "key-twice", archive(PROTO + b"}(" + (text("w") + tensor()) * 2 + b"u."), "DUP", "'w'"


def tensors():
    def one(case, value, cls, place="byte", **more):
        return "tensor-" + case, archive(state(value), **more), cls, place

    yield one("transposed", tensor((3, 2), (1, 3)), None)
    yield one("empty", tensor((0, 3), (3, 1)), None)
    yield one("no-axes", tensor((), ()), None)
    yield one("negative-size", tensor((-2, 3)), "RANGE")
    yield one("negative-stride", tensor(stride=(-3, 1), offset=3), "RANGE")
    yield one("negative-offset", tensor(offset=-1), "RANGE")
    yield one("offset-1", tensor(offset=1), "RANGE")
    yield one("offset-2^63", tensor(offset=MAX63), "OVERFLOW")
    yield one("offset-2^64", tensor(offset=2**64), "TYPE")
    yield one("stride-4", tensor(stride=(4, 1)), "RANGE")
    yield one("stride-2^62", tensor((5, 1), (2**62, 1)), "OVERFLOW")
    yield one("size-2^62", tensor((2**62, 4), (0, 0)), "OVERFLOW")
    yield one("expanded", tensor((2**40,), (0,)), "UNSUPPORTED")
    yield one("overlapping", tensor((2, 6), (0, 1)), "UNSUPPORTED")
    yield one("two-strides-of-one", tensor((2, 3), (3,)), "SHAPE")
    yield one("nine-axes", tensor((1,) * 9, (1,) * 9), "LIMIT")
    yield one("size-is-text", name("torch._utils", "_rebuild_tensor_v2") +
              items(storage(), number(0), items(text("2")), items(number(1)), b"\x89", b"}") + b"R", "TYPE")
    yield one("no-storage", name("torch._utils", "_rebuild_tensor_v2") + items(number(0)) + b"R", "TYPE")
    yield one("storage-other-key", tensor(store=storage("1")), "INCONSISTENT", "'w'")
    yield one("storage-path", tensor(store=storage("../../etc/passwd")), "INCONSISTENT", "'w'")
    yield one("storage-of-7", tensor(store=storage(n=7)), "TRUNC", "'w'")
    yield one("storage-2^63", tensor(store=storage(n=MAX63)), "TRUNC", "'w'")
    yield one("storage-negative", tensor(store=storage(n=-1)), "RANGE")
    yield one("storage-as-f64", tensor(store=storage(kind="DoubleStorage")), "TRUNC", "'w'")
    yield one("storage-module", tensor(store=storage(head="module")), "TYPE")
    yield one("storage-of-a-dict", tensor(store=storage(module="collections", kind="OrderedDict")), "TYPE")
    yield one("storage-of-bytes", tensor(store=storage(kind="UntypedStorage", module="torch.storage")), "TYPE")
    yield one("storage-short", tensor(), "TRUNC", "'w'", data=bytes(23))


def zips():
    end = GOOD.rindex(b"PK\5\6")
    first = GOOD.index(b"PK\1\2")

    def put(case, at, value, cls, place="byte"):
        return "zip-" + case, GOOD[:at] + value + GOOD[at + len(value):], cls, place

    yield "zip-no-directory", GOOD[:first], "TRUNC", "byte"
    yield "zip-no-end", GOOD[:end], "TRUNC", "byte"
    yield put("entries-65535", end + 10, b"\xff\xff", "LIMIT")
    yield put("directory-size-2^32", end + 12, b"\xff" * 4, "RANGE")
    yield put("directory-at-2^32", end + 16, b"\xff" * 4, "RANGE")
    yield put("directory-at-0", end + 16, bytes(4), "MAGIC")
    yield put("encrypted", first + 8, b"\1", "UNSUPPORTED")
    yield put("two-sizes", first + 24, b"\1", "INCONSISTENT")
    yield put("sizes-2^32", first + 20, b"\xff" * 8, "RANGE")
    yield put("extra-2^16", first + 30, b"\xff\xff", "TRUNC")
    yield put("name-nul", first + 46, b"\0", "ENCODING")
    yield put("name-other", first + 46, b"b", "INCONSISTENT")
    yield put("header-at-2^32", first + 42, b"\xff" * 4, "RANGE")
    yield put("header-at-1", first + 42, b"\1", "INCONSISTENT")
    yield put("header-is-none", 0, b"PK\3\5", "MAGIC", "")
    second = GOOD.index(b"PK\1\2", first + 4)
    yield put("header-of-another", second + 42, bytes(4), "INCONSISTENT")
    yield from sums()
    for n in range(4, len(GOOD), 37):
        yield f"zip-cut-{n}", GOOD[:n], "TRUNC", "byte"


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def sums():
    """A bit that is not what was written is found where it is read."""
    two = archive(PROTO + b"}(" + text("v") + tensor() + text("w") + tensor((2,), (1,), 4) + b"u.",
                  extra=[("archive/byteorder", b"little"), ("archive/version", b"3")])
    at = {name: two.index(name) + len(name) for name in (b"archive/data.pkl", b"archive/data/0", b"archive/byteorder",
                                                        b"archive/version")}
    pickle, storage, order, version = at.values()
    yield "sum-of-the-pickle", flipped(two, two.index(b"v", pickle)), "CRC", f"'archive/data.pkl' is not what was written: its bytes have another sum (byte {pickle})"
    yield "sum-of-a-storage", flipped(two, storage), "+CRC", f"'archive/data/0' is not what was written: its bytes have another sum (byte {storage})"
    yield "sum-of-a-storages-end", flipped(two, storage + 23), "+CRC", f"(byte {storage})"
    yield "sum-of-the-order", flipped(two, order), "CRC", "'archive/byteorder'"
    yield "sum-of-what-is-not-read", flipped(two, version), None, ""
    none = bytearray(two)   # as torch.serialization.set_crc32_options(False) has it
    entry = two.index(b"PK\1\2")
    while entry >= 0:
        none[entry + 16:entry + 20] = bytes(4)
        entry = two.find(b"PK\1\2", entry + 4)
    yield "sums-not-written", flipped(bytes(none), storage), None, ""


def legacy():
    magic = PROTO + b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little") + STOP
    version = PROTO + b"M\xe9\x03."
    system = PROTO + b"}" + text("little_endian") + b"\x88s."
    keys = PROTO + b"](" + text("0") + b"e."
    data = struct.pack("<q", 6) + bytes(24)
    good = magic + version + system + state(tensor()) + keys + data
    yield "legacy-good", good, None, ""
    yield "legacy-protocol", magic + PROTO + b"K\1." + system, "VERSION", "byte"
    yield "legacy-big-endian", magic + version + PROTO + b"}" + text("little_endian") + b"\x89s.", "UNSUPPORTED", "byte"
    yield "legacy-no-order", magic + version + PROTO + b"}.", "SCHEMA", "byte"
    yield "legacy-keys-no-list", magic + version + system + state(tensor()) + PROTO + b"}.", "TYPE", "byte"
    yield "legacy-key-twice", good[:-32] [:-len(keys)] + PROTO + b"](" + text("0") * 2 + b"e." + data * 2, "DUP", "byte"
    yield "legacy-key-unknown", good.replace(keys, PROTO + b"](" + text("1") + b"e."), "INCONSISTENT", "byte"
    yield "legacy-no-key", good.replace(keys, PROTO + b"]."), "INCONSISTENT", "'w'"
    yield "legacy-elements-2^63", good[:-32] + struct.pack("<q", -1) + bytes(24), "INCONSISTENT", "byte"
    yield "legacy-code", magic + version + system + PROTO + name("os", "system") + b")R.", "UNSUPPORTED", "'os.system'"
    for n in range(14, len(good), 11):
        yield f"legacy-cut-{n}", good[:n], "TRUNC", "byte"


def cases():
    for part in (whole, code, machine, tensors, zips, legacy):
        yield from part()
