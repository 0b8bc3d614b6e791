/* Texts to ids: the stages in turn, truncation, special tokens, padding. */
#include "formats_text.h"
#include "tok.h"

#include <string.h>

void dsc_tok_push_at(struct tok_ids *ids, int32_t id, size_t lo, size_t hi)
{
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? 2 * ids->cap : 256;
        int32_t *p = dsc_heap_grow(ids->id, cap, sizeof *p, NULL);
        struct tok_span *span = p ? dsc_heap_grow(ids->span, cap, sizeof *span, NULL) : NULL;

        ids->id = p ? p : ids->id;
        if (!span) {
            ids->is_failed = true;
            return;
        }
        ids->span = span;
        ids->cap = cap;
    }
    ids->span[ids->n] = (struct tok_span){.lo = (uint32_t)lo, .hi = (uint32_t)hi};
    ids->id[ids->n++] = id;
}

void dsc_tok_push_id(struct tok_ids *ids, int32_t id)
{
    dsc_tok_push_at(ids, id, 0, 0);
}

void *dsc_tok_memory(struct dsc_tok_scratch *x, size_t n, size_t elem_bytes, struct dsc_err *err)
{
    struct dsc_bytes *b = &x->memory;
    void *p;

    if (n <= b->cap_bytes / elem_bytes && b->data)
        return b->data;
    p = dsc_heap_grow(b->data, n, elem_bytes, err);
    if (!p)
        return NULL;
    b->data = p;
    b->cap_bytes = n * elem_bytes;
    return p;
}

void dsc_tok_scratch_clear(struct dsc_tok_scratch *x)
{
    for (int i = 0; i < 2; i++) {
        dsc_bytes_clear(&x->frags[i].text);
        dsc_heap_free(x->frags[i].piece);
        dsc_heap_free(x->frags[i].spans.at);
        dsc_heap_free(x->norm_spans[i].at);
        dsc_bytes_clear(&x->norm[i]);
        dsc_bytes_clear(&x->work[i]);
    }
    dsc_uni_cps_clear(&x->cps);
    dsc_heap_free(x->ids.id);
    dsc_heap_free(x->first.id);
    dsc_heap_free(x->ids.span);
    dsc_heap_free(x->first.span);
    dsc_heap_free(x->raw_spans.at);
    dsc_heap_free(x->work_spans.at);
    dsc_heap_free(x->range);
    dsc_bytes_clear(&x->memory);
    dsc_tok_match_free(x->match);
    *x = (struct dsc_tok_scratch){0};
}

static enum dsc_status frags_status(const struct tok_frags *f, struct dsc_err *err)
{
    if (f->is_failed || f->text.is_failed || f->spans.is_failed)
        return dsc_fail(err, DSC_E_MEMORY, "no memory to cut a text");
    return DSC_OK;
}

static void frags_reset(struct tok_frags *f)
{
    f->text.n_bytes = f->n = f->spans.n = 0;
}

/* What is emitted from now on is cut from s. */
static void cut_from(struct tok_frags *f, const struct dsc_tok_scratch *x, const char *s,
                     const struct tok_span *spans)
{
    f->has_spans = x->has_spans;
    f->src = s;
    f->src_span = spans;
}

/* Raw text to fragments: added tokens, normalizers, added tokens of normalized text. */
static enum dsc_status extract(const struct dsc_tok *t, const char *s, size_t n,
                               struct dsc_tok_scratch *x, struct dsc_err *err)
{
    struct tok_frags *raw = &x->frags[1], *out = &x->frags[0];

    frags_reset(raw);
    frags_reset(out);
    if (x->has_spans)
        DSC_TRY(dsc_tok_spans_start(x, s, n, err));
    cut_from(raw, x, s, x->raw_spans.at);
    dsc_tok_added_find(t, false, s, n, true, raw);
    DSC_TRY(frags_status(raw, err));
    for (size_t i = 0; i < raw->n; i++) {
        const struct tok_piece *p = &raw->piece[i];
        struct tok_str text = {(const char *)raw->text.data + p->start, p->n_bytes};
        bool is_start = p->is_start;

        x->from = x->has_spans ? raw->spans.at + p->start : NULL;
        cut_from(out, x, text.s, x->from);
        if (p->id >= 0) {
            dsc_tok_emit(out, text.s, text.n, p->id, is_start);
            continue;
        }
        DSC_TRY(dsc_tok_normalize(t, &text, &is_start, x, err));
        cut_from(out, x, text.s, x->from);
        dsc_tok_added_find(t, true, text.s, text.n, is_start, out);
    }
    return frags_status(out, err);
}

static enum dsc_status pre_tokenize(const struct dsc_tok *t, struct tok_frags **words,
                                    struct dsc_tok_scratch *x, struct dsc_err *err)
{
    struct tok_frags *in = &x->frags[0], *out = &x->frags[1];

    for (size_t k = 0; k < t->n_pres; k++) {
        struct tok_frags *swap = in;

        frags_reset(out);
        for (size_t i = 0; i < in->n; i++) {
            const struct tok_piece *p = &in->piece[i];
            const char *s = (const char *)in->text.data + p->start;

            cut_from(out, x, s, x->has_spans ? in->spans.at + p->start : NULL);
            if (p->id >= 0)
                dsc_tok_emit(out, s, p->n_bytes, p->id, p->is_start);
            else
                DSC_TRY(t->pre[k].kind->cut(&t->pre[k], s, p->n_bytes, p->is_start, out, x, err));
        }
        DSC_TRY(frags_status(out, err));
        in = out;
        out = swap;
    }
    *words = in;
    return DSC_OK;
}

/* The ids of one text in x->ids. */
static enum dsc_status encode_text(const struct dsc_tok *t, const char *s, size_t n,
                                   struct dsc_tok_scratch *x, struct dsc_err *err)
{
    struct tok_frags *words = NULL;

    x->ids.n = 0;
    DSC_TRY(extract(t, s, n, x, err));
    DSC_TRY(pre_tokenize(t, &words, x, err));
    for (size_t i = 0; i < words->n && x->ids.n < x->max_ids; i++) {
        const struct tok_piece *p = &words->piece[i];
        const size_t n_before = x->ids.n;

        if (p->id >= 0)
            dsc_tok_push_at(&x->ids, p->id, 0, p->n_bytes);
        else
            DSC_TRY(
                t->model->encode(t, (const char *)words->text.data + p->start, p->n_bytes, x, err));
        if (x->has_spans && !x->ids.is_failed)
            dsc_tok_spans_of_word(&x->ids, n_before, words->spans.at + p->start, p->n_bytes);
    }
    return x->ids.is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for token ids") : DSC_OK;
}

/* An encoding that ran out of memory can be used again. */
static void forget_failures(struct dsc_tok_scratch *x)
{
    for (int i = 0; i < 2; i++) {
        x->frags[i].is_failed = x->frags[i].text.is_failed = false;
        x->norm[i].is_failed = x->work[i].is_failed = false;
        x->frags[i].spans.is_failed = x->norm_spans[i].is_failed = false;
    }
    x->ids.is_failed = x->first.is_failed = x->is_range_failed = false;
    x->raw_spans.is_failed = x->work_spans.is_failed = false;
}

static enum dsc_status check_text(const char *s, size_t n, const char *which, struct dsc_err *err)
{
    size_t bad = dsc_utf8_check(s, n);

    if (bad == n)
        return DSC_OK;
    dsc_fail(err, DSC_E_ENCODING, "the text is not valid UTF-8: byte 0x%02X",
             (unsigned char)s[bad]);
    return dsc_err_where(err, "%sbyte %zu", which, bad);
}

/*
 * How many ids stay of texts of n[0] and n[1] when max ids are allowed: the shorter text stays
 * whole as long as it leaves the longer one more than half.
 */
static void longest_first(size_t max, size_t n[2])
{
    size_t shorter = n[0] <= n[1] ? 0 : 1, longer = 1 - shorter;

    if (n[0] + n[1] <= max)
        return;
    if (n[shorter] > max)
        n[longer] = n[shorter];
    else
        n[longer] = n[shorter] > max - n[shorter] ? n[shorter] : max - n[shorter];
    if (n[0] + n[1] > max) {
        n[shorter] = max / 2;
        n[longer] = max / 2 + max % 2;
    }
}

static enum dsc_status enc_reserve(struct dsc_tok_enc *e, size_t n, struct dsc_err *err)
{
    int64_t **arrays[] = {&e->ids, &e->type_ids, &e->mask};

    if (n <= e->cap)
        return DSC_OK;
    for (int i = 0; i < 3; i++) {
        int64_t *p = dsc_heap_grow(*arrays[i], n, sizeof *p, err);

        if (!p)
            return DSC_E_MEMORY;
        *arrays[i] = p;
    }
    if (e->scratch->has_spans || e->offsets) {
        struct dsc_tok_offset *p = dsc_heap_grow(e->offsets, n, sizeof *p, err);

        if (!p)
            return DSC_E_MEMORY;
        e->offsets = p;
    }
    e->cap = n;
    return DSC_OK;
}

static void put(struct dsc_tok_enc *e, int32_t id, int32_t type_id, struct dsc_tok_offset offset)
{
    if (e->offsets)
        e->offsets[e->n] = offset;
    e->ids[e->n] = id;
    e->type_ids[e->n] = type_id;
    e->mask[e->n++] = 1;
}

static struct dsc_tok_offset offset_of(const struct tok_span *s, int which)
{
    return (struct dsc_tok_offset){s->lo, s->hi, s->char_lo, s->char_hi, which};
}

/* Put texts (kept ids from `skip` on) and special tokens together. */
static void assemble(const struct tok_post *post, bool without_special,
                     const struct tok_ids *const text[2], const size_t n[2], bool cuts_left,
                     struct dsc_tok_enc *e)
{
    e->n = 0;
    for (size_t i = 0; i < post->n; i++) {
        const struct tok_post_item *it = &post->item[i];

        if (it->which >= 0) {
            const struct tok_ids *ids = text[it->which];
            size_t skip = cuts_left ? ids->n - n[it->which] : 0;

            for (size_t k = 0; k < n[it->which]; k++)
                put(e, ids->id[skip + k], it->type_id, offset_of(&ids->span[skip + k], it->which));
        } else if (!without_special) {
            for (size_t k = 0; k < it->n_ids; k++)
                put(e, it->ids[k], it->type_id, (struct dsc_tok_offset){.which = -1});
        }
    }
}

static enum dsc_status encode_pair(const struct dsc_tok *t, const struct dsc_tok_in *in, size_t max,
                                   size_t n_special, struct dsc_tok_enc *e, struct dsc_err *err)
{
    struct dsc_tok_scratch *x = e->scratch;
    const struct tok_ids *const text[2] = {in->pair ? &x->first : &x->ids, &x->ids};
    size_t n[2] = {0, 0};

    DSC_TRY(encode_text(t, in->text, in->n_text_bytes, x, err));
    n[0] = x->ids.n;
    if (in->pair) {
        struct tok_ids swap = x->first;

        x->first = x->ids;
        x->ids = swap;
        DSC_TRY(encode_text(t, in->pair, in->n_pair_bytes, x, err));
        n[1] = x->ids.n;
    }
    e->is_truncated = n[0] + n[1] > max;
    if (in->pair)
        longest_first(max, n);
    else if (n[0] > max)
        n[0] = max;
    DSC_TRY(enc_reserve(e, n[0] + n[1] + n_special, err));
    for (int k = 0; x->has_spans && k < 1 + (in->pair != NULL); k++) {
        struct tok_ids *ids = k == 0 && in->pair ? &x->first : &x->ids;

        dsc_tok_spans_trim(t, k == 0 ? in->text : in->pair, ids, t->cuts_left ? ids->n - n[k] : 0,
                           n[k]);
    }
    assemble(&t->post[in->pair != NULL], in->without_special, text, n, t->cuts_left, e);
    return DSC_OK;
}

enum dsc_status dsc_tok_encode(const struct dsc_tok *t, const struct dsc_tok_in *in,
                               struct dsc_tok_enc *e, struct dsc_err *err)
{
    size_t n_special = in->without_special ? 0 : t->post[in->pair != NULL].n_special;
    size_t max = SIZE_MAX;

    e->n = 0;
    if (in->max_length < 0 || (in->max_length && (size_t)in->max_length < n_special))
        return dsc_fail(err, DSC_E_USAGE, "a maximum length of %d, and %zu special tokens",
                        in->max_length, n_special);
    DSC_TRY(check_text(in->text, in->n_text_bytes, in->pair ? "text, " : "", err));
    if (in->pair)
        DSC_TRY(check_text(in->pair, in->n_pair_bytes, "pair, ", err));
    if (!e->scratch) {
        e->scratch = dsc_heap_alloc(1, sizeof *e->scratch, err);
        if (!e->scratch)
            return DSC_E_MEMORY;
    }
    forget_failures(e->scratch);
    if (in->wants_offsets && !e->offsets)
        e->cap = 0; /* the arrays grow together */
    if (!in->wants_offsets) {
        dsc_heap_free(e->offsets);
        e->offsets = NULL;
    }
    e->scratch->has_spans = in->wants_offsets;
    if (in->max_length)
        max = (size_t)in->max_length - n_special;
    /*
     * One more than fits, to know that something was cut. All of them when the front is cut, or
     * when the other text's share depends on which one is longer.
     */
    e->scratch->max_ids = max == SIZE_MAX || t->cuts_left || in->pair ? SIZE_MAX : max + 1;
    return encode_pair(t, in, max, n_special, e, err);
}

void dsc_tok_enc_clear(struct dsc_tok_enc *e)
{
    if (e->scratch)
        dsc_tok_scratch_clear(e->scratch);
    dsc_heap_free(e->scratch);
    dsc_heap_free(e->ids);
    dsc_heap_free(e->type_ids);
    dsc_heap_free(e->mask);
    dsc_heap_free(e->offsets);
    *e = (struct dsc_tok_enc){0};
}

enum dsc_status dsc_tok_pad(const struct dsc_tok *t, struct dsc_tok_enc *e, size_t n,
                            struct dsc_err *err)
{
    size_t n_pad = n > e->n ? n - e->n : 0, at = t->pads_left ? 0 : e->n;

    if (!n_pad)
        return DSC_OK;
    if (t->pad_id < 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "the tokenizer has no padding token");
    DSC_TRY(enc_reserve(e, n, err));
    if (t->pads_left) {
        memmove(e->ids + n_pad, e->ids, e->n * sizeof *e->ids);
        memmove(e->type_ids + n_pad, e->type_ids, e->n * sizeof *e->ids);
        memmove(e->mask + n_pad, e->mask, e->n * sizeof *e->ids);
        if (e->offsets)
            memmove(e->offsets + n_pad, e->offsets, e->n * sizeof *e->offsets);
    }
    for (size_t i = at; i < at + n_pad; i++) {
        e->ids[i] = t->pad_id;
        e->type_ids[i] = t->pad_type_id;
        e->mask[i] = 0;
        if (e->offsets)
            e->offsets[i] = (struct dsc_tok_offset){.which = -1};
    }
    e->n = n;
    return DSC_OK;
}
