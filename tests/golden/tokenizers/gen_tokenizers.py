#!/usr/bin/env python3
"""Make the golden files of tests/unit/test_tokenizer.c with Hugging Face's library.

usage: gen_tokenizers.py MINILM_FOLDER     (needs tokenizers 0.23.3 and sentencepiece 0.2.3)

Writes, in its own folder:
  corpus.jsonl   the texts, one JSON string a line
  NAME.json      small tokenizers, trained here: wordpiece, bytebpe (GPT-2's form), roberta,
                 unigram (XLM-R's form: Precompiled charsmap, byte fallback), t5 (Metaspace, no
                 charsmap), charbpe (byte fallback, merges as pairs)
  golden.json    per tokenizer: ids of each text, of pairs, and hashes over all code points; and
                 "probes": normalizers and pre-tokenizers in front of a BPE of single bytes, which
                 shows every byte and word boundary that they produce

A hash is the first 16 hex digits of sha256 over the ids of the texts (32 bits, little endian, each
text ended by 0xFFFFFFFF). Code points go in blocks of 4096, each as the text "aCb C".
"""
import base64
import hashlib
import io
import json
import os
import pydoc_data.topics
import random
import struct
import sys

import sentencepiece
import tokenizers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCK = 4096
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

WORDS = ("the quick brown fox don't jumps over Lazy dog's I'LL we've it'S café naïve résumé Ⅷ ½ "
         "²³ Straße STRASSE İstanbul ıI ǅ ß ẞ Å A\u030a e\u0301\u0323 o\u0302\u0301 ﬁ ﬀ ™️ № "
         "東京 日本語テスト カﾞ 漢字かな混じり 한국어 각 \u1100\u1161\u11a8 النص العربي "
         "\u0600١٢٣ हिन्दी क्षि ไทยภาษา ქართული עִבְרִית Ελληνικά ΌΣΟΣ "
         "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ ©️ 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 𝔘𝔫𝔦 𠀀𪜶 \U0002b820 "
         "1,234.56 3.14e-10 0x1F https://x.y/z?q=1&r=%20 @user #tag a_b-c (d)[e]{f} «g» “h” … — "
         "[MASK] [SEP] [mask] <s> </s> <mask> <pad> <unk> <x1> <x2> \u2581 \u2581a").split(" ")
POOLS = [(0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0x7F, 0x250), (0x300, 0x370), (0x370, 0x600),
         (0x600, 0x700), (0x900, 0xE00), (0x1100, 0x1200), (0x1E00, 0x2070), (0x2070, 0x2600),
         (0x3000, 0x3400), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xF900, 0xFFFE), (0x10000, 0x1FB00),
         (0x10000, 0x10FFFE), (0x20, 0x21), (0x61, 0x7B)]


def corpus():
    rng = random.Random(20261124)
    texts = ["", " ", "a", "\n", "\t\t", "  two  spaces  ", "\u0000a\u0000", "a" * 101, "ab " * 200,
             "\u0301", "a" + "\u0301\u0323" * 40, "\ufeffbom", "a\r\nb\rc\n\nd", "\u200bzero\u200d",
             "x" + " " * 50 + "y" + "\n " * 9, "\ufffd\ue000\U0010ffff", "\u1680\u2028\u2029\u0085",
             "<x1><x2> <x1>a a<x1> <x2>", "  <mask>  b", "[MASK][MASK] [MASK]x"]
    for i in range(150):
        texts.append(rng.choice([" ", " ", "", " \n", "  "]).join(
            rng.choice(WORDS) for _ in range(rng.randint(1, 14))))
    for i in range(200):
        pools = rng.sample(POOLS, rng.randint(1, 4))
        texts.append("".join(chr(rng.randrange(*rng.choice(pools)))
                             for _ in range(rng.randint(1, 30))))
    return texts


def training_text():
    topics = pydoc_data.topics.topics
    lines = [line.strip() for key in sorted(topics)[:40] for line in topics[key].split("\n")]
    return [line for line in lines if len(line) > 20][:3000] + [" ".join(WORDS)] * 3


def hashed(t, texts):
    h = hashlib.sha256()
    for e in t.encode_batch(texts):
        h.update(struct.pack("<%dI" % (len(e.ids) + 1), *e.ids, 0xFFFFFFFF))
    return h.hexdigest()[:16]


def over_code_points(t):
    out = []
    for lo in range(0, 0x110000, BLOCK):
        texts = ["a%sb %s" % (chr(c), chr(c)) for c in range(lo, lo + BLOCK)
                 if not 0xD800 <= c < 0xE000]
        out.append(hashed(t, texts))
    return out


def template(cls, cls_id, sep, sep_id):
    return processors.TemplateProcessing(
        single="%s $A %s" % (cls, sep), pair="%s $A %s $B:1 %s:1" % (cls, sep, sep),
        special_tokens=[(cls, cls_id), (sep, sep_id)])


def wordpiece(lines):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(lines, trainers.WordPieceTrainer(
        vocab_size=1500, special_tokens=special, show_progress=False))
    t.post_processor = template("[CLS]", 2, "[SEP]", 3)
    t.enable_truncation(64)
    t.enable_padding(pad_id=0, pad_token="[PAD]")
    return t


def byte_bpe(lines, size):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def bytebpe(lines):
    t = byte_bpe(lines, 1200)
    t.add_tokens([tokenizers.AddedToken("<x1>", lstrip=True, rstrip=True, normalized=False),
                  tokenizers.AddedToken("<x2>", single_word=True, normalized=True)])
    return t


def roberta(lines):
    t = byte_bpe(lines, 1000)
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.add_special_tokens([tokenizers.AddedToken("<mask>", lstrip=True, normalized=False)])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return t


def charbpe(lines):
    """BPE over characters with byte fallback, as Llama's: Prepend and Replace in front."""
    spaced = [line.replace(" ", "\u2581") for line in lines]
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.train_from_iterator(spaced, trainers.BpeTrainer(
        vocab_size=900, limit_alphabet=90, max_token_length=12, show_progress=False,
        special_tokens=["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"),
                                         normalizers.Replace(" ", "\u2581")])
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return t


def sentence_piece(lines, size, rule, fallback):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=out, vocab_size=size, model_type="unigram",
        normalization_rule_name=rule, byte_fallback=fallback, character_coverage=0.998,
        bos_id=-1, eos_id=-1, minloglevel=2, num_threads=1, hard_vocab_limit=False)
    return sentencepiece.SentencePieceProcessor(model_proto=out.getvalue()), out.getvalue()


def wire_field(data, number):
    """The bytes of length-delimited field `number` of a protocol-buffer message."""
    at, found = 0, b""

    def varint():
        nonlocal at
        v = shift = 0
        while True:
            b = data[at]
            at += 1
            v |= (b & 127) << shift
            shift += 7
            if b < 128:
                return v

    while at < len(data):
        key = varint()
        if key & 7 == 2:
            n = varint()
            if key >> 3 == number:
                found = data[at:at + n]
            at += n
        elif key & 7 == 0:
            varint()
        else:
            at += {1: 8, 5: 4}[key & 7]
    return found


def unigram(lines):
    """XLM-R's form. The charsmap is SentencePiece's nmt_nfkc, out of the model that it trains."""
    sp, proto = sentence_piece(lines, 800, "nmt_nfkc", True)
    charsmap = wire_field(wire_field(proto, 3), 2)   # normalizer_spec.precompiled_charsmap
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [(sp.id_to_piece(i), round(sp.get_score(i), 4)) for i in range(1, sp.get_piece_size())]
    t = Tokenizer(models.Unigram(vocab, 3, True))
    t.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap),
                                         normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(),
                                               pre_tokenizers.Metaspace()])
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)])
    t.add_special_tokens([tokenizers.AddedToken("<mask>", lstrip=True, normalized=False)])
    return t


def t5(lines):
    sp, _ = sentence_piece(lines, 900, "identity", False)
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [(sp.id_to_piece(i), round(sp.get_score(i), 4)) for i in range(1, sp.get_piece_size())]
    t = Tokenizer(models.Unigram(vocab, 2, False))
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(),
                                         normalizers.Strip(left=False, right=True)])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    t.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return t


def probe_base():
    """A BPE of single bytes whose last byte of a word is another token: boundaries show."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {a: i for i, a in enumerate(alphabet)}
    vocab.update({a + "\u00b6": 256 + i for i, a in enumerate(alphabet)})
    return Tokenizer(models.BPE(vocab, [], end_of_word_suffix="\u00b6"))


def probes():
    n, p = normalizers, pre_tokenizers
    rows = [("bert", n.BertNormalizer(), p.BertPreTokenizer()),
            ("bert cased", n.BertNormalizer(lowercase=False), p.BertPreTokenizer()),
            ("bert accents kept", n.BertNormalizer(strip_accents=False), p.Whitespace()),
            ("nfc", n.NFC(), p.WhitespaceSplit()),
            ("nfd", n.NFD(), p.Punctuation("contiguous")),
            ("nfkc", n.NFKC(), p.Digits(individual_digits=False)),
            ("nfkd", n.NFKD(), p.Digits(individual_digits=True)),
            ("lower", n.Sequence([n.NFD(), n.Lowercase(), n.StripAccents()]),
             p.Punctuation("merged_with_previous")),
            ("nmt strip", n.Sequence([n.Nmt(), n.Strip()]), p.Metaspace(prepend_scheme="first")),
            ("metaspace", n.Replace("a", "  "), p.Metaspace(prepend_scheme="always", split=False)),
            ("gpt2", n.Prepend("x"), p.ByteLevel(add_prefix_space=True)),
            ("gpt2 as split", None, p.Split(Regex(GPT2), "isolated")),
            ("llama3", None, p.Split(Regex(LLAMA3), "isolated")),
            ("llama3 removed", None, p.Split(Regex(LLAMA3), "removed", invert=True)),
            ("next", None, p.Split(" ", "merged_with_next")),
            ("empty matches", None, p.Split(Regex(r"[\p{N}\S]*"), "merged_with_previous")),
            ("lines", n.Replace(Regex(r"^\s|\P{L}$"), "^"), p.CharDelimiterSplit("b"))]
    last = p.ByteLevel(add_prefix_space=False, use_regex=False)
    for name, norm, pre in rows:
        t = probe_base()
        if norm:
            t.normalizer = norm
        t.pre_tokenizer = p.Sequence([pre, last]) if name != "gpt2" else pre
        yield name, t


def golden(t, texts):
    cut = Tokenizer.from_str(t.to_str())
    cut.enable_truncation(12)
    cut.no_padding()
    t.no_truncation()
    t.no_padding()
    pairs = [(texts[i], texts[-1 - i]) for i in range(0, len(texts) // 2, 3)]
    cuts = [cut.encode(a, b) for a, b in pairs]
    return {"ids": [t.encode(s).ids for s in texts],
            "pairs": [e.ids for e in cuts],
            "pair_types": [e.type_ids for e in cuts],
            "code_points": over_code_points(t)}


def main(minilm):
    texts, lines = corpus(), training_text()
    made = {"tokenizers": {}, "probes": []}
    with open(os.path.join(HERE, "corpus.jsonl"), "w") as f:
        f.writelines(json.dumps(s) + "\n" for s in texts)
    for name, make in (("wordpiece", wordpiece), ("bytebpe", bytebpe), ("roberta", roberta),
                       ("charbpe", charbpe), ("unigram", unigram), ("t5", t5)):
        t = make(lines)
        text = t.to_str()
        with open(os.path.join(HERE, name + ".json"), "w") as f:
            f.write(text)
        made["tokenizers"][name] = golden(Tokenizer.from_str(text), texts)
    made["minilm"] = golden(Tokenizer.from_file(os.path.join(minilm, "tokenizer.json")), texts)
    made["base"] = json.loads(probe_base().to_str())
    for name, t in probes():
        j = json.loads(t.to_str())
        made["probes"].append({"name": name, "normalizer": j["normalizer"],
                               "pre_tokenizer": j["pre_tokenizer"], "texts": hashed(t, texts),
                               "code_points": over_code_points(t)})
    with open(os.path.join(HERE, "golden.json"), "w") as f:
        json.dump(made, f, separators=(",", ":"))


if __name__ == "__main__":
    if tokenizers.__version__ != "0.23.3" or sentencepiece.__version__ != "0.2.3":
        raise SystemExit("the golden files are of tokenizers 0.23.3 and sentencepiece 0.2.3")
    main(sys.argv[1])
