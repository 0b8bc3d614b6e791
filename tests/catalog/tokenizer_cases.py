"""tokenizer.json files that are broken, or cost too much: (name, bytes, class or None, place)."""
import json

WORDS = ["[UNK]", "[CLS]", "[SEP]", "a", "b", "##b", "ab"]


def wordpiece(**kv):
    return {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {w: i for i, w in enumerate(WORDS)}, **kv}


def bpe(vocab=("a", "b", "ab"), merges=("a b",), **kv):
    return {"type": "BPE", "vocab": {w: i for i, w in enumerate(vocab)}, "merges": list(merges), **kv}


def unigram(vocab=(("<unk>", 0.0), ("a", -1.0), ("b", -2.0)), **kv):
    return {"type": "Unigram", "unk_id": 0, "vocab": [list(v) for v in vocab], **kv}


def file(model=None, **kv):
    return json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                       "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
                       "model": wordpiece() if model is None else model, **kv}).encode()


GOOD = file()


def added(content="[CLS]", idx=1, **kv):
    return {"id": idx, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True, **kv}


def split(pattern, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": "Isolated", "invert": False}


def whole():
    yield "good", GOOD, None, ""
    yield "bpe", file(bpe()), None, ""
    yield "unigram", file(unigram()), None, ""
    yield "merges-in-pairs", file(bpe(merges=[["a", "b"]])), None, ""


def truncated():
    for n in (0, 1, len(GOOD) // 2, len(GOOD) - 1):
        yield f"cut-{n}", GOOD[:n], "EMPTY" if n == 0 else "TRUNC", ""
    yield "not-json", b"{no json}", "MAGIC", ""
    yield "list", b"[1, 2]", "INCONSISTENT", ""
    yield "deep", b'{"model":' + b"[" * 100000 + b"]" * 100000 + b"}", "LIMIT", ""
    yield "not-utf8", GOOD.replace(b'"ab"', b'"\xff"'), "ENCODING", ""
    yield "lone-surrogate", GOOD.replace(b'"ab"', b'"\\ud800"'), "MAGIC", ""
    yield "key-twice", GOOD.replace(b'"ab": 6', b'"a": 6'), "DUP", ""


def models():
    yield "no-model", json.dumps({"version": "1.0"}).encode(), "SCHEMA", "model"
    yield "model-null", file(model={}), "UNSUPPORTED", "model"
    yield "model-unknown", file({"type": "Magic", "vocab": {}}), "UNSUPPORTED", "Magic"
    yield "no-vocab", file({"type": "WordPiece", "unk_token": "[UNK]"}), "SCHEMA", "vocab"
    yield "vocab-empty", file(wordpiece(vocab={})), "EMPTY", "vocab"
    yield "vocab-list", file(wordpiece(vocab=WORDS)), "SCHEMA", "vocab"
    yield "unk-missing", file(wordpiece(unk_token="[NO]")), "INCONSISTENT", "[NO]"
    for n in (-1, 2**31, 2**63 - 1):
        yield f"id-{n}", file(wordpiece(vocab={**{w: i for i, w in enumerate(WORDS)}, "far": n})), "SCHEMA" if n < 0 else "LIMIT", "far"
    yield "id-text", file(wordpiece(vocab={"[UNK]": "0"})), "SCHEMA", "[UNK]"
    yield "id-twice", file(wordpiece(vocab={"[UNK]": 0, "a": 1, "b": 1})), "DUP", ""
    yield "merge-unknown", file(bpe(merges=["a z"])), "INCONSISTENT", ""
    yield "merge-three", file(bpe(merges=["a b c"])), "SCHEMA", ""
    yield "merge-number", file(bpe(merges=[3])), "SCHEMA", ""
    yield "merge-result", file(bpe(("a", "b"), ["a b"])), "INCONSISTENT", ""
    yield "score-text", file(unigram([("<unk>", "0")])), "SCHEMA", ""
    yield "score-nan", file(unigram()).replace(b"-2.0", b"NaN"), "MAGIC", ""
    yield "score-huge", file(unigram()).replace(b"-2.0", b"-1e999"), "MAGIC", ""
    yield "unk-id-outside", file(unigram(unk_id=9)), "RANGE", "unk_id"


def parts():
    yield "normalizer-unknown", file(normalizer={"type": "Magic"}), "UNSUPPORTED", "Magic"
    yield "pre-tokenizer-unknown", file(pre_tokenizer={"type": "Magic"}), "UNSUPPORTED", "Magic"
    yield "post-processor-unknown", file(post_processor={"type": "Magic"}), "UNSUPPORTED", "Magic"
    yield "normalizer-number", file(normalizer=3), "SCHEMA", "normalizer"
    yield "charsmap-not-base64", file(normalizer={"type": "Precompiled", "precompiled_charsmap": "!!"}), "SCHEMA", ""
    yield "charsmap-cut", file(normalizer={"type": "Precompiled", "precompiled_charsmap": "ALwCAA=="}), "TRUNC", ""
    yield "charsmap-size", file(normalizer={"type": "Precompiled", "precompiled_charsmap": "/////wAAAAA="}), "TRUNC", ""
    deep = {"type": "Lowercase"}
    for _ in range(200):
        deep = {"type": "Sequence", "normalizers": [deep]}
    yield "normalizers-deep", file(normalizer=deep), "LIMIT", ""
    yield "added-outside", file(added_tokens=[added("[X]", 2**31)]), "RANGE", "2147483648"
    yield "added-other-id", file(added_tokens=[added("[CLS]", 5)]), "INCONSISTENT", "[CLS]"
    yield "added-no-content", file(added_tokens=[{"id": 1}]), "SCHEMA", ""
    yield "added-empty", file(added_tokens=[added("", 1)]), "EMPTY", ""
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[NO]", "type_id": 0}}], "pair": [],
                "special_tokens": {}}
    yield "template-token", file(post_processor=template), "SCHEMA", "[NO]"
    yield "truncation-0", file(truncation={"max_length": -1, "stride": 0, "strategy": "LongestFirst", "direction": "Right"}), "RANGE", ""


def patterns():
    yield "regex-broken", file(pre_tokenizer=split("(a")), "UNSUPPORTED", "(a"
    yield "regex-lookbehind", file(pre_tokenizer=split("(?<=a.*)b")), "UNSUPPORTED", ""
    yield "regex-code", file(pre_tokenizer=split("(?C1)a")), None, ""
    for case, pattern in (("nested", "(a+)+$"), ("alternatives", "(a|aa)+$"), ("back", r"(a*)*\1$")):
        yield "regex-bomb-" + case, file(pre_tokenizer=split(pattern)), "LIMIT", ""
    yield "regex-repeat", file(pre_tokenizer=split("(((a{1,999}){1,999}){1,999}){1,999}")), "UNSUPPORTED", ""
    yield "regex-long", file(pre_tokenizer=split("a" * 2**20)), "LIMIT", ""


def cases():
    for part in (whole, truncated, models, parts, patterns):
        yield from part()
