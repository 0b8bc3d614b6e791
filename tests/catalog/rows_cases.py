"""Rows of text that are broken: (name, bytes, class or None, place). The name ends in the format."""


def tsv():
    yield "good.tsv", b"text\tlabel\na b\tx\n", None, ""
    yield "bom.tsv", b"\xef\xbb\xbftext\tlabel\na b\tx\n", None, ""
    yield "crlf.tsv", b"text\tlabel\r\na b\tx\r\n", None, ""
    yield "no-last-line-end.tsv", b"text\tlabel\na b\tx", None, ""
    yield "blank-lines.tsv", b"text\tlabel\n\n\na b\tx\n\n", None, ""
    yield "empty.tsv", b"", "EMPTY", ""
    yield "header-alone.tsv", b"text\tlabel\n", "EMPTY", ""
    yield "no-text.tsv", b"words\tlabel\na\tx\n", "SCHEMA", "text"
    yield "column-twice.tsv", b"text\ttext\na\tb\n", "DUP", "text"
    yield "field-missing.tsv", b"text\tlabel\na\n", "SCHEMA", "line 2"
    yield "field-over.tsv", b"text\tlabel\na\tx\ty\n", "SCHEMA", "line 2"
    yield "not-utf8.tsv", b"text\tlabel\na\xff\tx\n", "ENCODING", "line 2"
    yield "utf8-cut.tsv", b"text\tlabel\na\xe2\x82\tx\n", "ENCODING", "line 2"
    yield "utf8-surrogate.tsv", b"text\tlabel\na\xed\xa0\x80\tx\n", "ENCODING", "line 2"
    yield "utf8-overlong.tsv", b"text\tlabel\na\xc0\xaf\tx\n", "ENCODING", "line 2"
    yield "utf16.tsv", "text\tlabel\na\tx\n".encode("utf-16"), "ENCODING", ""
    yield "zeros.tsv", bytes(4096), "SCHEMA", ""
    yield "many-columns.tsv", b"\t".join(b"c%d" % i for i in range(100000)) + b"\n", "SCHEMA", "text"
    yield "long-line.tsv", b"text\tlabel\n" + b"a" * 2**24 + b"\tx\n", None, ""


def csv():
    yield "good.csv", b'text,label\n"a, ""b""",x\n', None, ""
    yield "lines-in-quotes.csv", b'text,label\n"a\nb",x\n', None, ""
    yield "quote-open.csv", b'text,label\n"a b,x\n', "TRUNC", "line 2"
    yield "after-quote.csv", b'text,label\n"a"b,x\n', "SCHEMA", "line 2"
    yield "field-missing.csv", b"text,label\na\n", "SCHEMA", "line 2"
    yield "not-utf8.csv", b"text,label\na\xff,x\n", "ENCODING", "line 2"
    yield "quotes-alone.csv", b'"' * 100000, "SCHEMA", ""


def jsonl():
    yield "good.jsonl", b'{"text": "a b", "label": "x"}\n', None, ""
    yield "escapes.jsonl", b'{"text": "\\u20ac\\ud83d\\ude00", "label": "x"}\n', None, ""
    yield "cut.jsonl", b'{"text": "a b", "label": "x"}\n{"text": "a', "SCHEMA", "line 2"
    yield "not-json.jsonl", b"{text: a}\n", "SCHEMA", "line 1"
    yield "list.jsonl", b"[1, 2]\n", "SCHEMA", "line 1"
    yield "text-number.jsonl", b'{"text": 3, "label": "x"}\n', "SCHEMA", "line 1"
    yield "no-text.jsonl", b'{"label": "x"}\n', "SCHEMA", "text"
    yield "two-objects.jsonl", b'{"text": "a"}{"text": "b"}\n', "SCHEMA", "line 1"
    yield "key-twice.jsonl", b'{"text": "a", "text": "b"}\n', "SCHEMA", "duplicate"
    yield "deep.jsonl", b'{"text": "a", "more": ' + b"[" * 100000 + b"]" * 100000 + b"}\n", "SCHEMA", "line 1"
    yield "lone-surrogate.jsonl", b'{"text": "\\ud800"}\n', "SCHEMA", "line 1"
    yield "not-utf8.jsonl", b'{"text": "\xff"}\n', "ENCODING", "line 1"
    yield "nan.jsonl", b'{"text": "a", "label": NaN}\n', "SCHEMA", "line 1"
    yield "huge-number.jsonl", b'{"text": "a", "label": 1e999}\n', "SCHEMA", "line 1"
    yield "empty.jsonl", b"", "EMPTY", ""
    yield "blank.jsonl", b"\n\n", "EMPTY", ""


def cases():
    for part in (tsv, csv, jsonl):
        yield from part()
