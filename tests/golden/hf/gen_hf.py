#!/usr/bin/env python3
"""Write tiny Hugging Face directories with random weights, and what transformers says of them.

    python gen_hf.py [OUT_DIR]

See README.md for the files. The same versions write the same bytes.
"""
import json
import os
import sys
import warnings

import numpy as np
import torch
import transformers as hf
from tokenizers import (AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors)

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))

SHAPE = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
             max_position_embeddings=40)
LABELS = {0: "ham", 1: "spam", 2: "smish"}
WORDS = ("the a to you your is we call now free win prize text msg stop claim urgent bank account "
         "click link pay card gift won cash mobile reply today tonight love home see later ok").split()
PIECES = ("##s ##ed ##ing ##er ##ly ##0 ##1 ##2 ##e ##t ##a ##o ##i ##n ##r").split()
TEXTS = ["Call now to claim your FREE prize!", "ok, see you later tonight",
         "Urgent: your bank account is stopped. Click the link.", "", "caf\u00e9 \u4f60\u597d 2x 😀"]


# --- tokenizers -------------------------------------------------------------------------------

def wordpiece_vocab(specials):
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789!?.,:'-")
    return list(dict.fromkeys(specials + letters + WORDS + PIECES))


def template(cls, sep, sep_id, cls_id, pair, types):
    b = 1 if types else 0
    return processors.TemplateProcessing(single=f"{cls} $A {sep}", pair=pair.format(b=b),
                                         special_tokens=[(cls, cls_id), (sep, sep_id)])


def wordpiece(vocab, cls, sep, unk, pair, types=True):
    ids = {t: i for i, t in enumerate(vocab)}
    tok = Tokenizer(models.WordPiece(ids, unk_token=unk, max_input_chars_per_word=100))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.post_processor = template(cls, sep, ids[sep], ids[cls], pair, types)
    tok.decoder = decoders.WordPiece()
    return tok


BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BERT_PAIR = "[CLS]:0 $A:0 [SEP]:0 $B:{b} [SEP]:{b}"
MPNET_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "[UNK]"]


def bert_tokenizer(types=True):
    return wordpiece(wordpiece_vocab(BERT_SPECIALS), "[CLS]", "[SEP]", "[UNK]", BERT_PAIR, types)


def mpnet_tokenizer():
    tok = wordpiece(wordpiece_vocab(MPNET_SPECIALS), "<s>", "</s>", "[UNK]",
                    "<s> $A </s> </s> $B </s>", False)
    tok.add_special_tokens([AddedToken(t, normalized=False) for t in MPNET_SPECIALS[:4]]
                           + [AddedToken("<mask>", lstrip=True, normalized=False)])
    return tok


def byte_bpe():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {t: i for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>"] + alphabet)}
    merges = []
    for word in ["Ġthe", "Ġyou", "Ġto", "all", "Ġcall", "Ġnow", "ing", "Ġfree", "er", "Ġlink"]:
        parts = list(word)
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            vocab.setdefault("".join(pair), len(vocab))
            parts = ["".join(pair)] + parts[2:]
    vocab["<mask>"] = len(vocab)
    tok = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tok.add_special_tokens([AddedToken(t, normalized=False) for t in ("<s>", "<pad>", "</s>", "<unk>")]
                           + [AddedToken("<mask>", lstrip=True, normalized=False)])
    return tok


def unigram():
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("\u2581" + w, -3.0 - 0.05 * i) for i, w in enumerate(WORDS)]
    pieces += [(p[2:], -4.0 - 0.05 * i) for i, p in enumerate(PIECES[:8])]
    pieces += [("\u2581", -4.2)]
    pieces += [(chr(c), -6.0 - 0.02 * (c % 31)) for c in range(ord("a"), ord("z") + 1)
               if chr(c) not in "s"]
    pieces += [(c, -7.0) for c in "CFREUT!?.,:'x"] + [("<mask>", 0.0)]
    tok = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(),
                                           normalizers.Replace("  ", " ")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    tok.decoder = decoders.Metaspace()
    tok.post_processor = template("<s>", "</s>", 2, 0, "<s> $A </s> </s> $B </s>", False)
    tok.add_special_tokens([AddedToken(t, normalized=False) for t in ("<s>", "<pad>", "</s>", "<unk>")]
                           + [AddedToken("<mask>", lstrip=True, normalized=False)])
    return tok


# --- models -----------------------------------------------------------------------------------

def families():
    """name, config, encoder class, classifier class, tokenizer, pad id, has token types"""
    bert = bert_tokenizer()
    yield ("bert", hf.BertConfig(vocab_size=bert.get_vocab_size(), **SHAPE),
           hf.BertModel, hf.BertForSequenceClassification, bert, 0, True)
    distil = bert_tokenizer(types=False)
    yield ("distilbert", hf.DistilBertConfig(
        vocab_size=distil.get_vocab_size(), dim=32, n_layers=2, n_heads=4, hidden_dim=64,
        max_position_embeddings=40),
        hf.DistilBertModel, hf.DistilBertForSequenceClassification, distil, 0, False)
    ro = byte_bpe()
    yield ("roberta", hf.RobertaConfig(vocab_size=ro.get_vocab_size(), type_vocab_size=1,
                                       pad_token_id=1, bos_token_id=0, eos_token_id=2,
                                       layer_norm_eps=1e-5, **SHAPE),
           hf.RobertaModel, hf.RobertaForSequenceClassification, ro, 1, False)
    xlm = unigram()
    yield ("xlm-roberta", hf.XLMRobertaConfig(vocab_size=xlm.get_vocab_size(), type_vocab_size=1,
                                              pad_token_id=1, bos_token_id=0, eos_token_id=2,
                                              layer_norm_eps=1e-5, **SHAPE),
           hf.XLMRobertaModel, hf.XLMRobertaForSequenceClassification, xlm, 1, False)
    mp = mpnet_tokenizer()
    yield ("mpnet", hf.MPNetConfig(vocab_size=mp.get_vocab_size(), layer_norm_eps=1e-5, **SHAPE),
           hf.MPNetModel, hf.MPNetForSequenceClassification, mp, 1, False)
    el = bert_tokenizer()
    yield ("electra", hf.ElectraConfig(vocab_size=el.get_vocab_size(), embedding_size=16, **SHAPE),
           hf.ElectraModel, hf.ElectraForSequenceClassification, el, 0, True)


def fill(model, seed):
    """Larger than usual weights, so that no tensor is without effect."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            n = torch.randn(p.shape, generator=g)
            is_gain = "norm" in name.lower() and name.endswith("weight")
            p.copy_(1.0 + 0.1 * n if is_gain else (0.25 if p.dim() > 1 else 0.1) * n)
    return model.eval()


def inputs(seed, vocab, pad, has_types):
    """Two batches: [3, 9] with padding and [2, 38] (longer than MPNet's exact buckets)."""
    r = np.random.default_rng(seed)
    for name, lengths in (("short", (9, 5, 2)), ("long", (38, 30))):
        width = max(lengths)
        mask = np.array([[int(t < n) for t in range(width)] for n in lengths], np.int64)
        ids = r.integers(6, vocab - 1, mask.shape)
        arrays = {"input_ids": np.where(mask == 1, ids, pad).astype(np.int64),
                  "attention_mask": mask}
        if has_types:
            arrays["token_type_ids"] = (np.arange(width)[None] >= 3).astype(np.int64) * mask
        yield name, arrays


def expected(model, arrays):
    with torch.no_grad():
        y = model.double()(**{k: torch.from_numpy(v) for k, v in arrays.items()})
    model.float()
    out = {}
    if getattr(y, "last_hidden_state", None) is not None:
        out["last_hidden_state"] = y.last_hidden_state
        if getattr(y, "pooler_output", None) is not None:
            out["pooler_output"] = y.pooler_output
    else:
        out["logits"] = y.logits
    return {k: v.float().numpy() for k, v in out.items()}


def dump_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2, ensure_ascii=False)
        f.write("\n")


def write_tokenizer(folder, tok, family):
    if family != "distilbert":
        tok.save(os.path.join(folder, "tokenizer.json"))
    if family in ("bert", "distilbert"):
        vocab = sorted(tok.get_vocab().items(), key=lambda kv: kv[1])
        with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as f:
            f.writelines(t + "\n" for t, _ in vocab)


def write_expected(stem, model, vocab, pad, has_types):
    for name, arrays in inputs(21, vocab, pad, has_types):
        np.savez(f"{stem}.{name}.in.npz", **arrays)
        np.savez(f"{stem}.{name}.out.npz", **expected(model, arrays))


def write_model(folder, model, **how):
    os.makedirs(folder, exist_ok=True)
    model.save_pretrained(folder, **how)
    extra = os.path.join(folder, "generation_config.json")
    if os.path.exists(extra):
        os.remove(extra)


def write_family(name, config, encoder, classifier, tok, pad, has_types):
    root = os.path.join(OUT, name)
    vocab = config.vocab_size
    base = fill(encoder(config), 31)
    write_model(os.path.join(root, "base"), base)
    write_tokenizer(os.path.join(root, "base"), tok, name)
    write_expected(os.path.join(root, "base"), base, vocab, pad, has_types)
    config.id2label, config.label2id = LABELS, {v: k for k, v in LABELS.items()}
    head = fill(classifier(config), 32)
    write_model(os.path.join(root, "cls"), head)
    write_tokenizer(os.path.join(root, "cls"), tok, name)
    write_expected(os.path.join(root, "cls"), head, vocab, pad, has_types)
    rows = []
    for text in TEXTS:
        e = tok.encode(text)
        rows.append({"text": text, "ids": e.ids, "tokens": e.tokens})
    p = tok.encode(TEXTS[0], TEXTS[1])
    rows.append({"text": TEXTS[0], "text_b": TEXTS[1], "ids": p.ids, "tokens": p.tokens,
                 "type_ids": p.type_ids})
    with open(os.path.join(root, "tokens.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
    print(f"{name}: {sum(q.numel() for q in base.parameters())} parameters, vocabulary {vocab}")
    return base


def write_sharded(bert):
    write_model(os.path.join(OUT, "bert-sharded"), bert, max_shard_size="40KB")


def write_sentence(bert):
    """A sentence-transformers directory; one with mean, one with cls pooling."""
    vocab = bert.config.vocab_size
    for mode in ("mean", "cls"):
        folder = os.path.join(OUT, f"sentence-{mode}")
        write_model(folder, bert)
        write_tokenizer(folder, bert_tokenizer(), "bert")
        os.makedirs(os.path.join(folder, "1_Pooling"), exist_ok=True)
        dump_json(os.path.join(folder, "1_Pooling", "config.json"), {
            "word_embedding_dimension": 32, "pooling_mode_cls_token": mode == "cls",
            "pooling_mode_mean_tokens": mode == "mean", "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False})
        dump_json(os.path.join(folder, "modules.json"), [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling",
             "type": "sentence_transformers.models.Pooling"}])
        dump_json(os.path.join(folder, "sentence_bert_config.json"),
                  {"max_seq_length": 38, "do_lower_case": False})
        for name, arrays in inputs(21, vocab, 0, True):
            h = expected(bert, arrays)["last_hidden_state"].astype(np.float64)
            m = arrays["attention_mask"][..., None]
            pooled = (h * m).sum(1) / m.sum(1) if mode == "mean" else h[:, 0]
            np.savez(f"{folder}.{name}.in.npz", **arrays)
            np.savez(f"{folder}.{name}.out.npz", sentence_embedding=pooled.astype(np.float32))


def main():
    bert = None
    for family in families():
        base = write_family(*family)
        bert = bert or base
    write_sharded(bert)
    write_sentence(bert)


if __name__ == "__main__":
    main()
