"""HDF5 files by hand: superblock 0, object headers of version 1, links as messages."""
import struct

UNDEFINED = b"\xff" * 8
SIGNATURE = b"\x89HDF\r\n\x1a\n"
SPACE, LINK_INFO, DATATYPE, FILL, LINK, EXTERNAL, LAYOUT, GROUP_INFO, FILTERS, ATTRIBUTE, CONTINUE = (
    1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 16)


def pad(b, n=8):
    return b + bytes(-len(b) % n)


def message(kind, body, flags=0):
    body = pad(body)
    return struct.pack("<HHB3x", kind, len(body), flags) + body


def header(messages, n=None, size=None):
    body = b"".join(messages)
    return struct.pack("<BxHII4x", 1, len(messages) if n is None else n, 1, len(body) if size is None else size) + body


def space(*dims, version=1, rank=None):
    return struct.pack("<BBB5x", version, len(dims) if rank is None else rank, 0) + b"".join(
        struct.pack("<Q", d) for d in dims)


def float_type(size=4, order=0, exp_at=23, exp_bits=8, bias=127, head=0x11):
    return (bytes([head, 0x20 | order, 8 * size - 1, 0]) +
            struct.pack("<IHHBBBBI", size, 0, 8 * size, exp_at, exp_bits, 0, exp_at, bias))


def int_type(size=4, signed=True):
    return bytes([0x10, 8 if signed else 0, 0, 0]) + struct.pack("<IHH", size, 0, 8 * size)


def text_type(size):
    return bytes([0x13, 0, 0, 0]) + struct.pack("<I", size)


def contiguous(at, size, version=3):
    return bytes([version, 1]) + struct.pack("<QQ", at, size)


def attribute(name, text):
    name, text = name.encode() + b"\0", text.encode() + b"\0"
    kind, shape = text_type(len(text)), space()
    return message(ATTRIBUTE, struct.pack("<BxHHH", 1, len(name), len(kind), len(shape)) +
                   pad(name) + pad(kind) + pad(shape) + text)


def link(name, body, kind=None):
    name = name if isinstance(name, bytes) else name.encode()
    flags = 0 if kind is None else 8
    return message(LINK, bytes([1, flags]) + (b"" if kind is None else bytes([kind])) + bytes([len(name)]) + name + body)


def hard(name, at):
    return link(name, struct.pack("<Q", at))


def soft(name, path):
    return link(name, struct.pack("<H", len(path)) + path.encode(), 1)


def elsewhere(name, file, path):
    value = b"\0" + file.encode() + b"\0" + path.encode() + b"\0"
    return link(name, struct.pack("<H", len(value)) + value, 64)


def group(links, more=()):
    info = message(LINK_INFO, b"\0\0" + UNDEFINED + UNDEFINED)
    return header([info, message(GROUP_INFO, b"\0\0"), *more, *links])


class File:
    """Blocks one behind another; the root comes last."""

    def __init__(self):
        self.data = bytearray(96)

    def put(self, block):
        self.data += bytes(-len(self.data) % 8)
        at = len(self.data)
        self.data += block
        return at

    def dataset(self, values, *dims, kind=None, more=()):
        at = self.put(values)
        return self.put(header([message(SPACE, space(*dims)), message(DATATYPE, kind or float_type()),
                                message(LAYOUT, contiguous(at, len(values))), *more]))

    def tree(self, entries, more=()):
        """Groups of a dict of dicts; bytes are headers' places."""
        links = [hard(k, self.tree(v) if isinstance(v, dict) else v) for k, v in entries.items()]
        return self.put(group(links, more))

    def end(self, root, eof=None):
        self.data += bytes(-len(self.data) % 8)
        n = len(self.data) if eof is None else eof
        self.data[:96] = (SIGNATURE + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0) +
                          bytes(8) + UNDEFINED + struct.pack("<Q", n) + UNDEFINED +
                          struct.pack("<QQII16x", 0, root, 0, 0))
        return bytes(self.data)
