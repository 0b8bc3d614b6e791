/*
 * Offsets: which bytes of the raw text a token stands for. Every byte of a text on its way carries
 * the span of its character in the raw text; normalizers and pre-tokenizers that make new bytes say
 * what they made them of, as the oracle does (tokenizers 0.23, NormalizedString).
 */
#include "tok.h"

#include <string.h>

void dsc_tok_push_span(struct tok_spans *spans, struct tok_span span)
{
    if (spans->n == spans->cap) {
        const size_t cap = spans->cap ? 2 * spans->cap : 256;
        struct tok_span *p = dsc_heap_grow(spans->at, cap, sizeof *p, NULL);

        if (!p) {
            spans->is_failed = true;
            return;
        }
        spans->at = p;
        spans->cap = cap;
    }
    spans->at[spans->n++] = span;
}

void dsc_tok_track(struct dsc_tok_scratch *x, const struct dsc_bytes *out, size_t at)
{
    while (x->to && x->to->n < out->n_bytes && !x->to->is_failed)
        dsc_tok_push_span(x->to, x->from[at]);
}

void dsc_tok_track_copy(struct dsc_tok_scratch *x, const struct dsc_bytes *out, size_t at)
{
    while (x->to && x->to->n < out->n_bytes && !x->to->is_failed)
        dsc_tok_push_span(x->to, x->from[at++]);
}

enum dsc_status dsc_tok_spans_start(struct dsc_tok_scratch *x, const char *s, size_t n,
                                    struct dsc_err *err)
{
    struct tok_spans *spans = &x->raw_spans;
    uint32_t chars = 0;

    if (n > UINT32_MAX)
        return dsc_fail(err, DSC_E_LIMIT, "offsets in a text of %zu bytes", n);
    spans->n = 0;
    for (size_t at = 0, len; at < n; at += len, chars++) {
        len = uni_n_bytes(s[at]);
        for (size_t k = 0; k < len; k++)
            dsc_tok_push_span(
                spans, (struct tok_span){(uint32_t)at, (uint32_t)(at + len), chars, chars + 1});
    }
    return spans->is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for offsets") : DSC_OK;
}

void dsc_tok_push_change(struct dsc_tok_scratch *x, size_t n_bytes, int change)
{
    dsc_tok_push_range(x, n_bytes, (size_t)(ptrdiff_t)change, false);
}

void dsc_tok_add_change(struct dsc_tok_scratch *x, int change)
{
    x->range[x->n_ranges - 1].hi += (size_t)(ptrdiff_t)change;
}

void dsc_tok_track_changes(struct dsc_tok_scratch *x, const char *s, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < x->n_ranges; i++) {
        const ptrdiff_t change = (ptrdiff_t)x->range[i].hi;
        const bool is_added = change > 0 || at >= n;
        const struct tok_span span = !is_added ? x->from[at]
                                     : at > 0  ? x->from[at - 1]
                                               : (struct tok_span){0};

        for (ptrdiff_t k = change; k <= 0 && at < n; k++)
            at += uni_n_bytes(s[at]);
        for (size_t k = 0; k < x->range[i].lo; k++)
            dsc_tok_push_span(x->to, span);
    }
    x->to->is_failed |= x->is_range_failed;
}

/* ---- normal forms ---- */

/* A code point on its way, and the change that it stands for. */
struct marked {
    uint32_t cp;
    int change;
};

static struct marked *more(struct marked *m, size_t n, struct dsc_err *err)
{
    return n % 256 ? m : dsc_heap_grow(m, n + 256, sizeof *m, err);
}

/* Each character taken apart: the first part replaces it, the others are additions. */
static enum dsc_status take_apart(enum uni_form form, const char *s, size_t n_bytes,
                                  struct uni_cps *cps, struct marked **list, size_t *n,
                                  struct dsc_err *err)
{
    const char *end = s + n_bytes;
    struct dsc_bytes parts = {0};
    enum dsc_status st = DSC_OK;

    while (s < end && st == DSC_OK) {
        const size_t len = uni_n_bytes(*s);
        const char *p, *p_end;
        int change = 0;

        parts.n_bytes = 0;
        st = dsc_uni_normalize(form, s, len, cps, &parts, err);
        if (parts.is_failed)
            st = dsc_fail(err, DSC_E_MEMORY, "no memory for offsets");
        s += len;
        p = (const char *)parts.data;
        p_end = p + parts.n_bytes;
        while (st == DSC_OK && p < p_end) {
            struct marked *grown = more(*list, *n, err);

            if (!grown)
                st = DSC_E_MEMORY;
            else
                *list = grown;
            if (grown)
                grown[(*n)++] = (struct marked){uni_next(&p), change};
            change = 1;
        }
    }
    dsc_bytes_clear(&parts);
    return st;
}

static uint32_t class_of(const struct marked *m)
{
    return uni_kind(m->cp)->ccc;
}

/* A changed order of marks takes the changes along. A run of marks is short, or refused. */
static enum dsc_status order_marks(struct marked *m, size_t n, struct dsc_err *err)
{
    enum { LONGEST_RUN = 4096 };
    size_t first = 0;

    for (size_t i = 0; i < n; i++) {
        const struct marked x = m[i];
        size_t k = i;

        if (!class_of(&x)) {
            first = i + 1;
            continue;
        }
        if (i - first > LONGEST_RUN)
            return dsc_fail(err, DSC_E_LIMIT, "offsets of more than %d marks", LONGEST_RUN);
        for (; k > first && class_of(&m[k - 1]) > class_of(&x); k--)
            m[k] = m[k - 1];
        m[k] = x;
    }
    return DSC_OK;
}

/* The composition of two characters; 0 when there is none. */
static uint32_t both(uint32_t a, uint32_t b, struct uni_cps *cps, struct dsc_bytes *in,
                     struct dsc_bytes *out)
{
    const char *p;

    in->n_bytes = out->n_bytes = 0;
    uni_put_cp(in, a);
    uni_put_cp(in, b);
    if (in->is_failed ||
        dsc_uni_normalize(UNI_NFC, (const char *)in->data, in->n_bytes, cps, out, NULL) != DSC_OK)
        out->is_failed = true; /* the caller looks at it */
    if (out->is_failed || uni_n_bytes((char)out->data[0]) != out->n_bytes)
        return 0;
    p = (const char *)out->data;
    return uni_next(&p);
}

/* What is joined replaces what its parts did, one after the other. */
static enum dsc_status put_together(struct marked *m, size_t *n, struct uni_cps *cps,
                                    struct dsc_err *err)
{
    struct dsc_bytes in = {0}, out = {0};
    size_t n_out = 0, starter = SIZE_MAX;
    uint32_t last = 0;
    bool is_failed;

    for (size_t i = 0; i < *n && !out.is_failed; i++) {
        const struct marked x = m[i];
        const uint32_t now = class_of(&x);
        uint32_t cp = 0;

        if (starter != SIZE_MAX && (last == 0 || last < now) && x.cp >= 0x80)
            cp = both(m[starter].cp, x.cp, cps, &in, &out);
        if (cp) {
            m[starter] = (struct marked){cp, m[starter].change + x.change - 1};
            continue;
        }
        if (!now)
            starter = n_out;
        last = now;
        m[n_out++] = x;
    }
    *n = n_out;
    is_failed = out.is_failed;
    dsc_bytes_clear(&in);
    dsc_bytes_clear(&out);
    return is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for offsets") : DSC_OK;
}

static enum dsc_status by_changes(enum uni_form form, const char *s, size_t n_bytes,
                                  const struct dsc_bytes *want, struct dsc_tok_scratch *x,
                                  struct dsc_err *err)
{
    const bool joins = form == UNI_NFC || form == UNI_NFKC;
    struct dsc_bytes made = {0};
    struct marked *m = NULL;
    size_t n = 0;
    enum dsc_status st;

    x->n_ranges = 0;
    DSC_TRY_OUT(st, take_apart(form == UNI_NFC    ? UNI_NFD
                               : form == UNI_NFKC ? UNI_NFKD
                                                  : form,
                               s, n_bytes, &x->cps, &m, &n, err));
    DSC_TRY_OUT(st, order_marks(m, n, err));
    if (joins)
        DSC_TRY_OUT(st, put_together(m, &n, &x->cps, err));
    for (size_t i = 0; i < n; i++) {
        const size_t before = made.n_bytes;

        uni_put_cp(&made, m[i].cp);
        dsc_tok_push_change(x, made.n_bytes - before, m[i].change);
    }
    if (made.is_failed || x->is_range_failed)
        st = dsc_fail(err, DSC_E_MEMORY, "no memory for offsets");
    else if (made.n_bytes != want->n_bytes || memcmp(made.data, want->data, made.n_bytes) != 0)
        st = dsc_fail(err, DSC_E_INTERNAL, "a normal form came out otherwise with offsets");
    else
        dsc_tok_track_changes(x, s, n_bytes);
out:
    dsc_bytes_clear(&made);
    dsc_heap_free(m);
    return st;
}

/*
 * Normalizers that treat each character by itself: what one becomes has its span. Where characters
 * are put in another order or together, the whole text becomes something else than its characters
 * one by one.
 */
static enum dsc_status by_characters(const struct tok_norm *n, const char *s, size_t n_bytes,
                                     struct dsc_bytes *out, struct dsc_tok_scratch *x,
                                     struct dsc_err *err)
{
    struct dsc_bytes alone = {0};
    enum dsc_status st = DSC_OK;

    for (size_t at = 0, len; at < n_bytes && st == DSC_OK; at += len) {
        bool is_start = false;

        len = uni_n_bytes(s[at]);
        st = n->kind->apply(n, s + at, len, &alone, &is_start, x, err);
        dsc_tok_track(x, &alone, at);
    }
    if (st == DSC_OK && alone.is_failed)
        st = dsc_fail(err, DSC_E_MEMORY, "no memory for offsets");
    if (st == DSC_OK && (alone.n_bytes != out->n_bytes ||
                         (alone.n_bytes && memcmp(alone.data, out->data, alone.n_bytes) != 0)))
        st = dsc_fail(err, DSC_E_UNSUPPORTED,
                      "offsets where %s puts characters together or in another order",
                      n->kind->type);
    dsc_bytes_clear(&alone);
    return st;
}

static bool form_of(const struct tok_norm *n, enum uni_form *form)
{
    static const struct {
        const struct tok_norm_kind *kind;
        enum uni_form form;
    } rows[] = {{&dsc_tok_norm_nfc, UNI_NFC},
                {&dsc_tok_norm_nfd, UNI_NFD},
                {&dsc_tok_norm_nfkc, UNI_NFKC},
                {&dsc_tok_norm_nfkd, UNI_NFKD}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].kind != n->kind)
            continue;
        *form = rows[i].form;
        return true;
    }
    return false;
}

enum dsc_status dsc_tok_norm_tracked(const struct tok_norm *n, const char *s, size_t n_bytes,
                                     struct dsc_bytes *out, bool *is_start,
                                     struct dsc_tok_scratch *x, struct dsc_err *err)
{
    struct tok_spans *to = x->to;
    enum uni_form form;

    x->to->n = 0;
    DSC_TRY(n->kind->apply(n, s, n_bytes, out, is_start, x, err));
    if (to->n == 0 && out->n_bytes > 0 && form_of(n, &form))
        DSC_TRY(by_changes(form, s, n_bytes, out, x, err));
    else if (to->n == 0 && out->n_bytes > 0)
        DSC_TRY(by_characters(n, s, n_bytes, out, x, err));
    if (to->is_failed)
        return dsc_fail(err, DSC_E_MEMORY, "no memory for offsets");
    return to->n == out->n_bytes ? DSC_OK
                                 : dsc_fail(err, DSC_E_INTERNAL, "%s: %zu spans of %zu bytes",
                                            n->kind->type, to->n, out->n_bytes);
}

void dsc_tok_spans_of_word(struct tok_ids *ids, size_t n_before, const struct tok_span *word,
                           size_t n_word)
{
    for (size_t i = n_before; i < ids->n; i++) {
        struct tok_span *s = &ids->span[i];
        const size_t hi = s->hi < n_word ? s->hi : n_word;

        *s = s->lo < hi ? (struct tok_span){word[s->lo].lo, word[hi - 1].hi, word[s->lo].char_lo,
                                            word[hi - 1].char_hi}
                        : (struct tok_span){0};
    }
}

enum { BYTE_SPACE = 0x0120 }; /* the space in ByteLevel's alphabet */

/* Bytes of the raw text that a character of a token stands for, if it is a space; else 0. */
static uint32_t blank_bytes(uint32_t cp)
{
    char utf8[4];

    if (cp == BYTE_SPACE)
        return 1;
    return uni_is(cp, UNI_SPACE) ? (uint32_t)uni_encode(cp, utf8) : 0;
}

/* The token as it stands in the text's own encoding: an added one with the spaces it took. */
static struct tok_str token_text(const struct dsc_tok *t, const char *text, int32_t id,
                                 const struct tok_span *s)
{
    for (size_t i = 0; i < t->n_added; i++)
        if (t->added[i].id == id)
            return (struct tok_str){text + s->lo, s->hi - s->lo};
    return id < t->vocab.n_ids ? t->vocab.words[id] : (struct tok_str){0};
}

static void cut(uint32_t *lo, uint32_t *hi, uint32_t left, uint32_t right)
{
    *lo = *lo + left < *hi ? *lo + left : *hi;
    if (right > 0 && *hi >= right)
        *hi = *hi - right > *lo ? *hi - right : *lo;
}

/* Spaces at either end of a token, in characters and in bytes. */
struct blanks {
    uint32_t left, left_bytes, right, right_bytes;
};

static struct blanks blanks_of(struct tok_str w)
{
    const char *p = w.s, *end = w.s + w.n;
    struct blanks b = {0};
    uint32_t n;

    for (; p < end && (n = blank_bytes(uni_next(&p))) > 0; b.left++)
        b.left_bytes += n;
    for (; end > w.s && (n = blank_bytes(uni_before(end))) > 0; b.right++) {
        b.right_bytes += n;
        do
            end--;
        while (((unsigned char)*end & 0xC0) == 0x80);
    }
    return b;
}

void dsc_tok_spans_trim(const struct dsc_tok *t, const char *text, struct tok_ids *ids,
                        size_t first, size_t n)
{
    for (size_t i = first; t->trims_offsets && i < first + n; i++) {
        struct tok_span *s = &ids->span[i];
        struct blanks b = blanks_of(token_text(t, text, ids->id[i], s));

        if (t->trim_keeps_first && b.left == 1 && (i == first || s->lo == 0))
            b.left = b.left_bytes = 0; /* the one that the pre-tokenizer has put there */
        cut(&s->lo, &s->hi, b.left_bytes, b.right_bytes);
        cut(&s->char_lo, &s->char_hi, b.left, b.right);
    }
}
