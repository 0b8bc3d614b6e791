"""ONNX files that are broken, or reach outside: (name, bytes or files, class or None, place)."""
import struct

FLOAT, INT32, INT64, BOOL, INT4 = 1, 6, 7, 9, 22
HUGE = [2**31, 2**32, 2**63 - 1]


def varint(v):
    v &= 2**64 - 1
    out = b""
    while v > 0x7F:
        out += bytes([v & 0x7F | 0x80])
        v >>= 7
    return out + bytes([v])


def field(n, value):
    """A number, or bytes and texts with their length."""
    if isinstance(value, int):
        return varint(n << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(n << 3 | 2) + varint(len(data)) + data


def value_info(name, dims=("n", 3), elem=FLOAT):
    shape = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, elem) + field(2, shape)))


def tensor(name="w", dims=(3, 2), elem=FLOAT, raw=None, extra=b""):
    data = struct.pack("<6f", *range(6)) if raw is None else raw
    return (b"".join(field(1, d) for d in dims) + field(2, elem) + field(8, name) +
            (field(9, data) if data is not False else b"") + extra)


def external(**kv):
    return field(14, 1) + b"".join(field(13, field(1, k) + field(2, str(v))) for k, v in kv.items())


def node(op="MatMul", ins=("x", "w"), outs=("y",), name="n", extra=b""):
    return (b"".join(field(1, i) for i in ins) + b"".join(field(2, o) for o in outs) + field(3, name) +
            field(4, op) + extra)


def attribute(name, kind, body):
    return field(5, field(1, name) + body + field(20, kind))


def graph(nodes=None, inits=None, inputs=None, outputs=None, extra=b""):
    return (b"".join(field(1, n) for n in ([node()] if nodes is None else nodes)) + field(2, "g") +
            b"".join(field(5, t) for t in ([tensor()] if inits is None else inits)) +
            b"".join(field(11, v) for v in ([value_info("x")] if inputs is None else inputs)) +
            b"".join(field(12, v) for v in ([value_info("y", ("n", 2))] if outputs is None else outputs)) + extra)


def opset(version=17, domain=""):
    return field(8, (field(1, domain) if domain else b"") + field(2, version))


def model(g=None, ir=8, imports=None, extra=b""):
    return (field(1, ir) + field(2, "catalogue") + field(7, graph() if g is None else g) +
            (opset() if imports is None else imports) + extra)


GOOD = model()


def whole():
    yield "good", GOOD, None, ""
    yield "fields-unknown", GOOD + field(99, "x") + field(100, 7), None, ""
    yield "number-of-ten-bytes", model(graph(inits=[tensor(extra=b"\x10\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00")])), None, ""
    yield "no-elements", model(graph(inputs=[value_info("x", ("n", 0))], inits=[tensor(dims=(0, 2), raw=b"")])), None, ""
    yield "numbers-in-fields", model(graph(inits=[tensor(raw=False, extra=b"".join(
        varint(4 << 3 | 5) + struct.pack("<f", v) for v in range(6)))])), None, ""
    yield "numbers-packed", model(graph(inits=[tensor(raw=False, extra=field(4, struct.pack("<6f", *range(6))))])), None, ""
    yield "nan", model(graph(inits=[tensor(raw=struct.pack("<6f", 0, float("nan"), 0, 0, 0, 0))])), "CHECK", "'w'"
    yield "inf", model(graph(inits=[tensor(raw=struct.pack("<6f", 1, float("inf"), 0, 0, 0, 0))])), "CHECK", "'w'"


def truncated():
    """A cut at every structure of the model."""
    yield "cut-empty", b"", "TRUNC", ""
    at = {"version": 1, "graph": GOOD.index(field(2, "g")), "node": GOOD.index(b"MatMul") + 3,
          "tensor": GOOD.index(struct.pack("<6f", *range(6))) + 5, "input": GOOD.rindex(b"x") + 1,
          "output": GOOD.rindex(b"y") + 1, "opset": len(GOOD) - 1}
    for case, n in at.items():
        yield "cut-" + case, GOOD[:n], "TRUNC", ""
    yield "cut-number", GOOD + b"\x80", "TRUNC", ""
    yield "cut-fixed64", GOOD + varint(99 << 3 | 1) + bytes(7), "TRUNC", ""
    yield "cut-fixed32", GOOD + varint(99 << 3 | 5) + bytes(3), "TRUNC", ""


def lengths():
    for n in HUGE:
        yield f"length-model-{n}", varint(7 << 3 | 2) + varint(n), "TRUNC", ""
        yield f"length-tensor-{n}", model(graph(extra=varint(5 << 3 | 2) + varint(n))), "TRUNC", ""
        yield f"length-name-{n}", model(graph(extra=field(1, varint(3 << 3 | 2) + varint(n)))), "TRUNC", ""
    yield "length-minus-1", varint(7 << 3 | 2) + varint(-1), "TRUNC", ""
    yield "number-of-eleven-bytes", GOOD + varint(99 << 3) + b"\x80" * 10 + b"\x01", "OVERFLOW", ""
    yield "group", GOOD + varint(99 << 3 | 3) + varint(99 << 3 | 4), "SCHEMA", ""
    yield "wire-type-7", GOOD + varint(99 << 3 | 7), "SCHEMA", ""
    yield "field-0", GOOD + varint(2) + varint(0), "SCHEMA", ""
    yield "graph-is-a-number", field(1, 8) + field(7, 3) + opset(), "SCHEMA", ""


def versions():
    yield "not-onnx", b"\x08\x01not a model", "SCHEMA", ""
    yield "no-graph", field(1, 8) + opset(), "MAGIC", "no graph"
    yield "no-ir", field(7, graph()) + opset(), "MAGIC", "IR version"
    yield "two-graphs", GOOD + field(7, graph()), "DUP", "2 graphs"
    yield "ir-99", model(ir=99), "VERSION", "99"
    yield "ir-minus", model(ir=-1), "VERSION", ""
    yield "opset-99", model(imports=opset(99)), "VERSION", "99"
    yield "opset-0", model(imports=opset(0)), "VERSION", ""
    yield "opset-none", model(imports=b""), "INCONSISTENT", "opset"
    yield "domain-unknown", model(graph([node(extra=field(7, "org.other"))]), imports=opset() + opset(1, "org.other")), "UNSUPPORTED", "org.other"
    yield "operator-unknown", model(graph([node("Frobnicate")])), "UNSUPPORTED", "Frobnicate"


def dims():
    for n in HUGE:
        yield f"dim-{n}", model(graph(inits=[tensor(dims=(n, 2))])), "TRUNC" if n < 2**62 else "OVERFLOW", "'w'"
        yield f"dims-{n}", model(graph(inits=[tensor(dims=(n, n))])), "OVERFLOW", "'w'"
    yield "dim-minus-1", model(graph(inits=[tensor(dims=(-1, 2))])), "RANGE", "'w'"
    yield "dims-9", model(graph(inits=[tensor(dims=(1,) * 7 + (3, 2))])), "LIMIT", "'w'"
    yield "bytes-missing", model(graph(inits=[tensor(raw=bytes(20))])), "TRUNC", "'w'"
    yield "bytes-over", model(graph(inits=[tensor(raw=bytes(28))])), "INCONSISTENT", "'w'"
    yield "numbers-missing", model(graph(inits=[tensor(raw=False, extra=field(4, bytes(20)))])), "TRUNC", "'w'"
    yield "no-data", model(graph(inits=[tensor(raw=False)])), "TRUNC", "'w'"
    yield "no-type", model(graph(inits=[tensor(elem=0)])), "TYPE", "'w'"
    yield "type-99", model(graph(inits=[tensor(elem=99)])), "UNSUPPORTED", ""
    yield "type-string", model(graph(inits=[tensor(elem=8)])), "UNSUPPORTED", "string"
    yield "bool-2", model(graph(inits=[tensor(), tensor("b", (3,), BOOL, b"\0\1\2")])), "RANGE", "'b'"
    yield "int4-bytes", model(graph(inits=[tensor(), tensor("q", (3,), INT4, b"\0")])), "TRUNC", "'q'"
    yield "int8-300", model(graph(inits=[tensor(), tensor("q", (1,), 3, False, field(5, 300))])), "RANGE", "'q'"
    yield "segment", model(graph(inits=[tensor(extra=field(3, field(1, 0) + field(2, 3)))])), "UNSUPPORTED", "segment"
    yield "shapes-do-not-fit", model(graph(inits=[tensor(dims=(2, 3))])), "SHAPE", "'n'"
    yield "input-dim-minus-1", model(graph(inputs=[value_info("x", (-1, 3))])), None, ""


def graphs():
    yield "twice-produced", model(graph([node(), node(name="m")])), "INCONSISTENT", "'y'"
    yield "node-name-twice", model(graph([node(), node(outs=("z",))])), None, ""
    yield "init-twice", model(graph(inits=[tensor(), tensor()])), "DUP", "'w'"
    yield "input-twice", model(graph(inputs=[value_info("x")] * 2)), "DUP", "'x'"
    yield "output-twice", model(graph(outputs=[value_info("y", ("n", 2))] * 2)), "DUP", "'y'"
    yield "input-missing", model(graph([node(ins=("x", "v"))])), "INCONSISTENT", "'v'"
    yield "output-missing", model(graph(outputs=[value_info("v")])), "INCONSISTENT", "'v'"
    yield "no-input-type", model(graph(inputs=[field(1, "x")])), "TYPE", "'x'"
    yield "arity", model(graph([node(ins=("x",))])), "INCONSISTENT", "'n'"
    yield "arity-over", model(graph([node(ins=("x", "w", "w"))])), "INCONSISTENT", "'n'"
    yield "cycle", model(graph([node(ins=("b", "w"), outs=("a",)), node(ins=("a", "w"), outs=("b",), name="m"),
                                node(name="k")])), "INCONSISTENT", "cycle"
    yield "cycle-needed", model(graph([node("Add", ("y", "x"), ("a",)), node("Add", ("a", "x"), ("y",), "m")],
                                      outputs=[value_info("y")])), "INCONSISTENT", "cycle"
    yield "itself", model(graph([node("Add", ("x", "y"))], outputs=[value_info("y")])), "INCONSISTENT", "cycle"
    yield "nothing", model(b""), None, ""
    yield "name-not-utf8", model(graph([node(name=b"\xff")])), "ENCODING", ""
    yield "name-with-nul", model(graph([node(name="a\0b")])), "ENCODING", ""
    yield "attribute-twice", model(graph([node("Softmax", ("x",), extra=attribute("axis", 2, field(3, 1)) * 2)],
                                         outputs=[value_info("y")])), "DUP", "axis"
    yield "attribute-type", model(graph([node("Softmax", ("x",), extra=attribute("axis", 1, varint(2 << 3 | 5) + bytes(4)))],
                                        outputs=[value_info("y")])), "TYPE", "axis"
    yield "attribute-range", model(graph([node("Softmax", ("x",), extra=attribute("axis", 2, field(3, 9)))],
                                         outputs=[value_info("y")])), "RANGE", "axis"
    yield "metadata-twice", model(extra=field(14, field(1, "k") + field(2, "v")) * 2), "DUP", "'k'"
    yield "metadata-not-utf8", model(extra=field(14, field(1, "k") + field(2, b"\xc3"))), "ENCODING", ""


def nested():
    body = graph([node("Identity", ("x",), ("y",))], [], [], [value_info("y")])
    for _ in range(200):
        body = graph([node("If", ("c",), ("y",), extra=attribute("then_branch", 5, field(6, body)))], [], [], [value_info("y")])
    yield "graphs-in-graphs", model(body), "LIMIT", ""
    call = field(7, "own")
    deep = b"".join(field(25, field(1, f"f{i}") + field(4, "a") + field(5, "b") + field(7, node(f"f{i + 1}", ("a",), ("b",), "", call)) +
                          field(9, field(1, "own") + field(2, 1)) + field(10, "own")) for i in range(100))
    own = opset() + opset(1, "own")
    yield "functions-deep", model(graph([node("f0", ("x",), ("y",), extra=call)], []), imports=own, extra=deep), "LIMIT", ""
    loop = field(25, field(1, "f") + field(4, "a") + field(5, "b") + field(7, node("f", ("a",), ("b",), "", call)) +
                 field(9, field(1, "own") + field(2, 1)) + field(10, "own"))
    yield "functions-call-themselves", model(graph([node("f", ("x",), ("y",), extra=call)], []), imports=own, extra=loop), "LIMIT", ""
    doubled = b"".join(field(25, field(1, f"f{i}") + field(4, "a") + field(5, "b") +
                             field(7, node(f"f{i + 1}", ("a",), ("t",), "", call)) + field(7, node(f"f{i + 1}", ("t",), ("b",), "", call)) +
                             field(9, field(1, "own") + field(2, 1)) + field(10, "own")) for i in range(30))
    last = field(25, field(1, "f30") + field(4, "a") + field(5, "b") + field(7, node("Identity", ("a",), ("b",), "")) +
                 field(9, field(2, 17)) + field(10, "own"))
    yield "functions-double", model(graph([node("f0", ("x",), ("y",), extra=call)], []), imports=own, extra=doubled + last), "LIMIT", ""


def sparse():
    def one(values, indices, shape=(3, 2), dims=None):
        return field(15, field(1, values) + field(2, indices) + b"".join(field(3, d) for d in shape))

    def of(s):
        return model(graph(inits=[], extra=s))

    two, at = tensor("w", (2,), raw=struct.pack("<2f", 1, 2)), lambda *i: tensor("", (len(i),), INT64, struct.pack(f"<{len(i)}q", *i))
    yield "sparse", of(one(two, at(1, 4))), None, ""
    yield "sparse-outside", of(one(two, at(1, 6))), "RANGE", "'w'"
    yield "sparse-minus", of(one(two, at(-1, 4))), "RANGE", "'w'"
    yield "sparse-order", of(one(two, at(4, 1))), "INCONSISTENT", "'w'"
    yield "sparse-twice", of(one(two, at(1, 1))), "DUP", "'w'"
    yield "sparse-count", of(one(two, at(1, 2, 3))), "SHAPE", "'w'"
    yield "sparse-bomb", of(one(two, at(1, 4), (2**20, 2**12))), "LIMIT", "'w'"
    yield "sparse-dims", of(one(two, at(1, 4), (2**40, 2**40))), "OVERFLOW", ""


def outside():
    """Data beside the model, and what must not be reached by it."""
    def of(location, extra=None, **kv):
        kv = {"location": location, "offset": 0, "length": 24, **kv}
        return {"": model(graph(inits=[tensor(raw=False, extra=external(**kv))])), **(extra or {})}

    data = {"w.bin": bytes(24)}
    yield "external", of("w.bin", data), None, ""
    yield "external-folder", of("d/w.bin", {"d/w.bin": bytes(24)}), None, ""
    yield "external-absolute", of("/etc/passwd"), "PATH", "/etc/passwd"
    yield "external-up", of("../w.bin"), "PATH", "../w.bin"
    yield "external-up-inside", of("d/../../w.bin", {"d/w.bin": bytes(24)}), "PATH", ".."
    yield "external-link", of("w.bin", {"w.bin": ("symlink", "/etc/passwd")}), "PATH", "link"
    yield "external-link-folder", of("d/passwd", {"d": ("symlink", "/etc")}), "PATH", "link"
    yield "external-hard-link", of("w.bin", {"v.bin": bytes(24), "w.bin": ("link", "v.bin")}), "PATH", "hard link"
    yield "external-fifo", of("w.bin", {"w.bin": ("fifo", "")}), "PATH", "regular"
    yield "external-device", of("w.bin", {"w.bin": ("symlink", "/dev/zero")}), "PATH", "link"
    yield "external-empty-name", of("", data), "PATH", ""
    yield "external-nul", of("w\0.bin", data), "ENCODING", ""
    yield "external-empty", of("w.bin", {"w.bin": b""}), "TRUNC", "w.bin"
    yield "external-short", of("w.bin", {"w.bin": bytes(20)}), "TRUNC", "w.bin"
    yield "external-length", of("w.bin", data, length=20), "TRUNC", "'w'"
    for n in (25, 2**31, 2**63 - 1):
        yield f"external-offset-{n}", of("w.bin", data, offset=n), "TRUNC", "w.bin"
    yield "external-offset-minus", of("w.bin", data, offset=-1), "RANGE", ""
    yield "external-offset-word", of("w.bin", data, offset="zero"), "RANGE", ""
    yield "external-offset-2-64", of("w.bin", data, offset=2**64), "RANGE", ""
    yield "external-no-location", {"": model(graph(inits=[tensor(raw=False, extra=external(offset=0))]))}, "SCHEMA", "location"


def cases():
    for part in (whole, truncated, lengths, versions, dims, graphs, nested, sparse, outside):
        yield from part()
