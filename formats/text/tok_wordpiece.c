/*
 * WordPiece: the longest token at the start of a word, then the longest continuing one, and so on;
 * a word with a part that has no token is one unknown token. Schuster and Nakajima 2012; BERT.
 */
#include "tok.h"

#include <string.h>

struct wordpiece {
    struct tok_index continuing; /* words with the prefix, by what follows it */
    struct tok_str prefix, unk;
    int32_t unk_id;
    int64_t max_chars;
};

static enum dsc_status parse(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    static const char *const keys[] = {
        "type",  "unk_token", "continuing_subword_prefix", "max_input_chars_per_word",
        "vocab", NULL};
    struct wordpiece *w;

    DSC_NEW(w, &t->arena, 1, err);
    t->model_state = w;
    w->prefix = (struct tok_str){"##", 2};
    w->unk = (struct tok_str){"[UNK]", 5};
    w->max_chars = 100;
    DSC_TRY(dsc_tok_json_keys(j, "model WordPiece", keys, err));
    DSC_TRY(dsc_tok_json_text(t, j, "model WordPiece", "unk_token", false, &w->unk, err));
    DSC_TRY(dsc_tok_json_text(t, j, "model WordPiece", "continuing_subword_prefix", false,
                              &w->prefix, err));
    if (json_object_get(j, "max_input_chars_per_word"))
        DSC_TRY(dsc_tok_json_int(j, "model WordPiece", "max_input_chars_per_word", 0, INT32_MAX,
                                 &w->max_chars, err));
    DSC_TRY(dsc_tok_vocab_parse(t, json_object_get(j, "vocab"), err));
    t->unk_id = w->unk_id = dsc_tok_vocab_find(&t->vocab, w->unk.s, w->unk.n);
    return dsc_tok_index_suffixes(&t->vocab, w->prefix, &w->continuing, &t->arena, err);
}

static enum dsc_status unknown(const struct wordpiece *w, struct tok_ids *ids, size_t n_before,
                               size_t n, struct dsc_err *err)
{
    if (w->unk_id < 0)
        return dsc_fail(err, DSC_E_INCONSISTENT,
                        "the text has an unknown word, and the unknown token '%.64s' is not in the "
                        "vocabulary",
                        w->unk.s);
    ids->n = n_before;
    dsc_tok_push_at(ids, w->unk_id, 0, n);
    return DSC_OK;
}

static size_t n_chars(const char *s, size_t n)
{
    size_t chars = 0;

    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    return chars;
}

/* The longest token at the start of s: hashes of all prefixes in one pass, then from the back. */
static int32_t longest(const struct dsc_tok *t, const struct tok_index *x, const char *s, size_t n,
                       uint64_t *hash, size_t *n_used)
{
    uint64_t h = TOK_HASH_START;

    n = n + x->skip > t->vocab.max_bytes ? t->vocab.max_bytes - x->skip : n;
    for (size_t i = 0; i < n; i++)
        hash[i + 1] = h = tok_hash_more(h, s[i]);
    for (; n > 0; n--) {
        int32_t id;

        /* A prefix that ends inside a character is no token: tokens are whole UTF-8. */
        id = dsc_tok_index_find(&t->vocab, x, hash[n], s, n);
        if (id >= 0) {
            *n_used = n;
            return id;
        }
    }
    return TOK_NONE;
}

static enum dsc_status encode(const struct dsc_tok *t, const char *s, size_t n,
                              struct dsc_tok_scratch *x, struct dsc_err *err)
{
    const struct wordpiece *w = t->model_state;
    size_t n_before = x->ids.n, used = 0;
    uint64_t *hash = dsc_tok_memory(x, t->vocab.max_bytes + 1, sizeof *hash, err);

    if (!hash)
        return DSC_E_MEMORY;
    if (n > (size_t)w->max_chars && n_chars(s, n) > (size_t)w->max_chars)
        return unknown(w, &x->ids, n_before, n, err);
    for (size_t at = 0; at < n; at += used) {
        const struct tok_index *index = at ? &w->continuing : &t->vocab.index;
        int32_t id = TOK_NONE;

        if (t->vocab.max_bytes > index->skip)
            id = longest(t, index, s + at, n - at, hash, &used);
        if (id < 0)
            return unknown(w, &x->ids, n_before, n, err);
        dsc_tok_push_at(&x->ids, id, at, at + used);
    }
    return DSC_OK;
}

const struct tok_model_kind dsc_tok_model_wordpiece = {"WordPiece", parse, encode};
