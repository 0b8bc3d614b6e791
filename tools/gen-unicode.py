#!/usr/bin/env python3
"""Write formats/text/uni_tables.c: the Unicode data of the tokenizers, as the oracle has them.

usage: gen-unicode.py OUT.c      (needs the Python packages tokenizers 0.23.3 and regex)

Every property is read off the oracle's behaviour, code point by code point, so that ids are
equal to Hugging Face's on every system, whatever Unicode version its libraries have. Only what
the oracle does not show (the grapheme classes that cannot change a result on their own) comes
from `regex`.
"""
import sys
import unicodedata

import regex
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

BLOCK = 128
N_CP = 0x110000
FLAGS = ["SPACE", "DROP", "BLANK", "CJK", "MN", "MARK", "PUNCT", "L", "N", "S", "NUMERIC", "WORD"]
GCB = ["OTHER", "CONTROL", "CR", "LF", "EXTEND", "ZWJ", "PREPEND", "MC", "L", "V", "T", "LV",
       "LVT", "RI", "PICT"]


def code_points():
    return [c for c in range(N_CP) if not 0xD800 <= c < 0xE000]


def bert(**on):
    keys = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    keys.update(on)
    return normalizers.BertNormalizer(**keys).normalize_str


def isolated_by(pre, c):
    """True when `pre` cuts c off a string where it stands between letters."""
    return any(p == chr(c) for p, _ in pre.pre_tokenize_str("a" + chr(c) + "a"))


def regex_class(pattern):
    """The set of code points that the oracle's regular expressions give `pattern`."""
    pre = pre_tokenizers.Split(Regex(pattern), "removed")
    return {c for c in code_points() if not pre.pre_tokenize_str(chr(c))}


def flags_of():
    clean, cjk, mn = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    mark = normalizers.StripAccents().normalize_str
    nfd = normalizers.NFD().normalize_str
    space, word = pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Whitespace()
    punct, digits = pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)
    cls = {"L": regex_class(r"\p{L}"), "N": regex_class(r"\p{N}"), "S": regex_class(r"\s")}
    flags = [0] * N_CP
    for c in code_points():
        ch = chr(c)
        got = {name for name in "LNS" if c in cls[name]}
        cleaned = clean("a" + ch + "b")[1:-1]
        if cleaned != ch:
            got.add({"": "DROP", " ": "BLANK"}[cleaned])
        if cjk(ch) != ch:
            assert cjk(ch) == " " + ch + " "
            got.add("CJK")
        if nfd(ch) == ch and mn(ch) == "":
            got.add("MN")
        if mark(ch) == "":
            got.add("MARK")
        if not space.pre_tokenize_str(ch):
            got.add("SPACE")
        if isolated_by(punct, c):
            got.add("PUNCT")
        if isolated_by(digits, c):
            got.add("NUMERIC")
        if any(p == "a" + ch for p, _ in word.pre_tokenize_str("a" + ch)):
            got.add("WORD")
        flags[c] = sum(1 << FLAGS.index(g) for g in got)
    return flags


def one_key_charsmap(key, value):
    """A Precompiled charsmap with one ASCII key: a darts-clone array, then the values."""
    unit = [0] * 512
    unit[0] = 256 << 10                        # root: children at 0 ^ 256 ^ byte
    leaf_base = 511
    node = 256 ^ ord(key)
    unit[node] = ord(key) | 1 << 8 | (node ^ leaf_base) << 10
    unit[leaf_base] = 1 << 31                  # value 0
    trie = b"".join(u.to_bytes(4, "little") for u in unit)
    return len(trie).to_bytes(4, "little") + trie + value.encode() + b"\0"


def grapheme_classes():
    """Classes by `regex`; what joins a cluster to the left is the oracle's own answer."""
    names = {"Control": "CONTROL", "CR": "CR", "LF": "LF", "ZWJ": "ZWJ", "Prepend": "PREPEND",
             "SpacingMark": "MC", "L": "L", "V": "V", "T": "T", "LV": "LV", "LVT": "LVT",
             "Regional_Indicator": "RI"}
    pats = {v: regex.compile(r"\p{Grapheme_Cluster_Break=%s}" % k) for k, v in names.items()}
    pict = regex.compile(r"\p{Extended_Pictographic}")
    # A cluster of under 6 bytes is looked up as a whole, and its first key swallows the rest.
    probe = normalizers.Precompiled(one_key_charsmap("a", "1")).normalize_str
    gcb = [0] * N_CP
    for c in code_points():
        ch = chr(c)
        name = next((n for n, p in pats.items() if p.match(ch)), None)
        if name is None and pict.match(ch):
            name = "PICT"
        joins = probe("a" + ch) == "1"
        if joins and name not in ("MC", "ZWJ"):
            name = "EXTEND"
        if not joins and name in ("MC", "ZWJ"):
            print("gcb: regex says %s, the oracle does not join U+%04X" % (name, c))
            name = None
        gcb[c] = GCB.index(name or "OTHER")
    return gcb


def combining_classes(nfd):
    """The order that NFD gives to a pair shows which of two classes is the lower one."""
    def swaps(first, second):
        return nfd("a" + first + second) != "a" + first + second

    # One mark of each class that the oracle knows too: 1 (U+0334) and 240 (U+0345) are the ends.
    reps = {1: "\u0334", 240: "\u0345"}
    for c in code_points():
        ch, k = chr(c), unicodedata.combining(chr(c))
        if k and nfd(ch) == ch and (swaps("\u0345", ch) or swaps(ch, "\u0334")):
            reps.setdefault(k, ch)
    order = sorted(reps)
    low, high = reps[order[0]], reps[order[-1]]
    ccc = [0] * N_CP
    for c in code_points():
        ch = chr(c)
        if nfd(ch) != ch or not (swaps(high, ch) or swaps(ch, low)):
            continue
        # The highest class that is not greater than c's: reps above c swap with c behind them.
        ccc[c] = max(k for k in order if not swaps(reps[k], ch))
        assert all(swaps(reps[k], ch) == (k > ccc[c]) for k in order)
        assert not any(swaps(ch, reps[k]) for k in order if k >= ccc[c])
    return ccc


def is_hangul(c):
    return 0xAC00 <= c < 0xAC00 + 11172


def compositions(nfc, nfd):
    """Pairs (a, b) -> c of canonical composition, by the oracle's answers."""
    pairs = {}
    for c in code_points():
        ch, parts = chr(c), nfd(chr(c))
        if is_hangul(c) or len(parts) < 2 or nfc(parts) != ch:
            continue
        a, b = nfc(parts[:-1]), parts[-1]
        if len(a) != 1 or nfc(a + b) != ch:
            raise SystemExit("U+%04X is not a composition of two" % c)
        pairs[(ord(a), ord(b))] = c
    return pairs


class Pool:
    """Strings of code points; index 0 means that a code point maps to itself."""

    def __init__(self):
        self.data, self.at = [0], {}

    def add(self, text):
        if text not in self.at:
            self.at[text] = len(self.data)
            self.data += [len(text)] + [ord(x) for x in text]
        return self.at[text]


def two_stage(values):
    blocks, index, stage1 = {}, [], []
    for lo in range(0, N_CP, BLOCK):
        block = tuple(values[lo:lo + BLOCK])
        if block not in blocks:
            blocks[block] = len(index)
            index.append(block)
        stage1.append(blocks[block])
    return stage1, [v for b in index for v in b]


def emit(out, ctype, name, values):
    out.write("const %s %s[%d] = {\n" % (ctype, name, len(values)))
    line = ""
    for v in values:
        item = "%d," % v
        if len(line) + len(item) > 98:
            out.write(line + "\n")
            line = ""
        line += item
    out.write(line + "\n};\n\n")


def main(path):
    nfc, nfd = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
    nfkd, lower = normalizers.NFKD().normalize_str, normalizers.Lowercase().normalize_str
    pool, maps = Pool(), {}
    for name, fn in (("nfd", nfd), ("nfkd", nfkd), ("lower", lower)):
        maps[name] = [0] * N_CP
        for c in code_points():
            to = fn(chr(c))
            if to != chr(c) and not (name != "lower" and is_hangul(c)):
                maps[name][c] = pool.add(to)
    assert len(pool.data) < 65536
    combos = list(zip(flags_of(), grapheme_classes(), combining_classes(nfd)))
    kinds = sorted(set(combos))
    assert len(kinds) <= 256
    at = {k: i for i, k in enumerate(kinds)}
    pairs = compositions(nfc, nfd)
    with open(path, "w") as out:
        out.write("/* Made by tools/gen-unicode.py from tokenizers %s. Do not edit. */\n"
                  "/* clang-format off */\n#include \"uni.h\"\n\n" % tokenizers.__version__)
        out.write("const struct uni_kind dsc_uni_kinds[%d] = {\n" % len(kinds))
        for f, g, k in kinds:
            out.write("    {0x%04X, %d, %d},\n" % (f, g, k))
        out.write("};\n\n")
        s1, s2 = two_stage([at[k] for k in combos])
        emit(out, "uint16_t", "dsc_uni_kind1", s1)
        emit(out, "uint8_t", "dsc_uni_kind2", s2)
        for name in maps:
            s1, s2 = two_stage(maps[name])
            emit(out, "uint16_t", "dsc_uni_%s1" % name, s1)
            emit(out, "uint16_t", "dsc_uni_%s2" % name, s2)
        emit(out, "uint32_t", "dsc_uni_pool", pool.data)
        out.write("const int dsc_uni_n_pairs = %d;\n\n" % len(pairs))
        emit(out, "uint32_t", "dsc_uni_pairs",
             [v for (a, b), c in sorted(pairs.items()) for v in (a, b, c)])
    print("%d kinds, %d pool entries, %d pairs" % (len(kinds), len(pool.data), len(pairs)))


if __name__ == "__main__":
    if tokenizers.__version__ != "0.23.3":
        raise SystemExit("tokenizers 0.23.3 is the oracle, this is " + tokenizers.__version__)
    main(sys.argv[1])
