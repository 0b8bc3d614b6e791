/* Pre-tokenizers that cut by classes of characters, and the five ways to treat what matched. */
#include "tok.h"

#include <string.h>

void dsc_tok_emit(struct tok_frags *f, const char *s, size_t n, int32_t id, bool is_start)
{
    if (!n && id < 0)
        return;
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        struct tok_piece *p = dsc_heap_grow(f->piece, cap, sizeof *p, NULL);

        if (!p) {
            f->is_failed = true;
            return;
        }
        f->piece = p;
        f->cap = cap;
    }
    f->piece[f->n++] = (struct tok_piece){f->text.n_bytes, n, id, is_start};
    uni_put(&f->text, s, n);
    for (size_t i = 0; f->has_spans && i < n; i++)
        dsc_tok_push_span(&f->spans, f->src_span[(size_t)(s - f->src) + i]);
}

void dsc_tok_push_range(struct dsc_tok_scratch *x, size_t lo, size_t hi, bool is_match)
{
    if (x->n_ranges == x->cap_ranges) {
        size_t cap = x->cap_ranges ? 2 * x->cap_ranges : 64;
        struct tok_range *r = dsc_heap_grow(x->range, cap, sizeof *r, NULL);

        if (!r) {
            x->is_range_failed = true;
            return;
        }
        x->range = r;
        x->cap_ranges = cap;
    }
    x->range[x->n_ranges++] = (struct tok_range){lo, hi, is_match};
}

static void emit_range(const struct tok_range *r, const char *s, bool is_start,
                       struct tok_frags *out)
{
    dsc_tok_emit(out, s + r->lo, r->hi - r->lo, TOK_NONE, is_start && r->lo == 0);
}

/* Join ranges in place where the behavior says so; the number that is left. */
static size_t merge_ranges(struct tok_range *r, size_t n, enum tok_behavior b)
{
    bool was_match = false;
    size_t n_out = 0;

    for (size_t i = 0; i < n; i++) {
        struct tok_range now = r[i];
        bool is_joined = b == TOK_CONTIGUOUS ? i > 0 && now.is_match == was_match
                                             : now.is_match && !was_match && n_out > 0;

        if (is_joined)
            r[n_out - 1].hi = now.hi;
        else
            r[n_out++] = now;
        was_match = now.is_match;
    }
    return n_out;
}

/* As MERGED_WITH_PREVIOUS, from the back: the result is the last n_out ranges. */
static size_t merge_ranges_back(struct tok_range *r, size_t n)
{
    bool was_match = false;
    size_t n_out = 0;

    for (size_t i = n; i-- > 0;) {
        struct tok_range now = r[i];

        if (now.is_match && !was_match && n_out > 0)
            r[n - n_out].lo = now.lo;
        else
            r[n - ++n_out] = now;
        was_match = now.is_match;
    }
    return n_out;
}

void dsc_tok_cut(struct dsc_tok_scratch *x, const char *s, bool inverts, enum tok_behavior b,
                 bool is_start, struct tok_frags *out)
{
    struct tok_range *r = x->range;
    size_t n = x->n_ranges, skipped = 0;

    out->is_failed |= x->is_range_failed;
    for (size_t i = 0; inverts && i < n; i++)
        r[i].is_match = !r[i].is_match;
    if (b == TOK_MERGED_WITH_NEXT) {
        skipped = n - merge_ranges_back(r, n);
    } else if (b == TOK_MERGED_WITH_PREVIOUS || b == TOK_CONTIGUOUS) {
        n = merge_ranges(r, n, b);
    }
    for (size_t i = skipped; i < n; i++) {
        if (b != TOK_REMOVED || !r[i].is_match)
            emit_range(&r[i], s, is_start, out);
    }
}

static enum dsc_status parse_nothing(struct dsc_tok *t, const json_t *j, struct tok_pre *p,
                                     struct dsc_err *err)
{
    static const char *const keys[] = {"type", NULL};

    return dsc_tok_json_keys(j, p->kind->type, keys, err);
}

/* Spaces go, punctuation stands alone. */
static enum dsc_status cut_bert(const struct tok_pre *p, const char *s, size_t n, bool is_start,
                                struct tok_frags *out, struct dsc_tok_scratch *x,
                                struct dsc_err *err)
{
    const char *at = s, *word = s, *end = s + n;

    while (at < end) {
        const char *next = at;
        unsigned kind = uni_kind(uni_next(&next))->flags;

        if (kind & (UNI_SPACE | UNI_PUNCT)) {
            dsc_tok_emit(out, word, (size_t)(at - word), TOK_NONE, is_start && word == s);
            if (!(kind & UNI_SPACE))
                dsc_tok_emit(out, at, (size_t)(next - at), TOK_NONE, is_start && at == s);
            word = next;
        }
        at = next;
    }
    dsc_tok_emit(out, word, (size_t)(at - word), TOK_NONE, is_start && word == s);
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_bert = {"BertPreTokenizer", parse_nothing, cut_bert};

/* Each character of the class is a match of its own. */
static void find_class(struct dsc_tok_scratch *x, const char *s, size_t n, unsigned flags)
{
    const char *at = s, *gap = s, *end = s + n;

    x->n_ranges = 0;
    while (at < end) {
        const char *next = at;

        if (uni_is(uni_next(&next), flags)) {
            if (gap < at)
                dsc_tok_push_range(x, (size_t)(gap - s), (size_t)(at - s), false);
            dsc_tok_push_range(x, (size_t)(at - s), (size_t)(next - s), true);
            gap = next;
        }
        at = next;
    }
    if (gap < end)
        dsc_tok_push_range(x, (size_t)(gap - s), n, false);
}

static enum dsc_status cut_whitespacesplit(const struct tok_pre *p, const char *s, size_t n,
                                           bool is_start, struct tok_frags *out,
                                           struct dsc_tok_scratch *x, struct dsc_err *err)
{
    find_class(x, s, n, UNI_SPACE);
    dsc_tok_cut(x, s, false, TOK_REMOVED, is_start, out);
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_whitespacesplit = {"WhitespaceSplit", parse_nothing,
                                                         cut_whitespacesplit};

static enum dsc_status parse_punctuation(struct dsc_tok *t, const json_t *j, struct tok_pre *p,
                                         struct dsc_err *err)
{
    static const char *const keys[] = {"type", "behavior", NULL};

    DSC_TRY(dsc_tok_json_keys(j, p->kind->type, keys, err));
    p->behavior = TOK_ISOLATED;
    if (!json_object_get(j, "behavior"))
        return DSC_OK;
    return dsc_tok_behavior_parse(j, p->kind->type, &p->behavior, err);
}

static enum dsc_status cut_punctuation(const struct tok_pre *p, const char *s, size_t n,
                                       bool is_start, struct tok_frags *out,
                                       struct dsc_tok_scratch *x, struct dsc_err *err)
{
    find_class(x, s, n, UNI_PUNCT);
    dsc_tok_cut(x, s, false, p->behavior, is_start, out);
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_punctuation = {"Punctuation", parse_punctuation,
                                                     cut_punctuation};

static enum dsc_status parse_digits(struct dsc_tok *t, const json_t *j, struct tok_pre *p,
                                    struct dsc_err *err)
{
    static const char *const keys[] = {"type", "individual_digits", NULL};
    bool is_individual;

    DSC_TRY(dsc_tok_json_keys(j, p->kind->type, keys, err));
    DSC_TRY(dsc_tok_json_flag(j, p->kind->type, "individual_digits", false, &is_individual, err));
    p->behavior = is_individual ? TOK_ISOLATED : TOK_CONTIGUOUS;
    return DSC_OK;
}

static enum dsc_status cut_digits(const struct tok_pre *p, const char *s, size_t n, bool is_start,
                                  struct tok_frags *out, struct dsc_tok_scratch *x,
                                  struct dsc_err *err)
{
    find_class(x, s, n, UNI_NUMERIC);
    dsc_tok_cut(x, s, false, p->behavior, is_start, out);
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_digits = {"Digits", parse_digits, cut_digits};

static int word_class(uint32_t cp)
{
    return uni_is(cp, UNI_WORD) ? 1 : uni_is(cp, UNI_SPACE) ? 0 : 2;
}

/* \w+|[^\w\s]+ : runs of word characters, runs of others; spaces go. */
static enum dsc_status cut_whitespace(const struct tok_pre *p, const char *s, size_t n,
                                      bool is_start, struct tok_frags *out,
                                      struct dsc_tok_scratch *x, struct dsc_err *err)
{
    const char *at = s, *run = s, *end = s + n;
    int last = 0;

    while (at < end) {
        const char *next = at;
        int now = word_class(uni_next(&next));

        if (now != last) {
            if (last)
                dsc_tok_emit(out, run, (size_t)(at - run), TOK_NONE, is_start && run == s);
            run = at;
            last = now;
        }
        at = next;
    }
    if (last)
        dsc_tok_emit(out, run, (size_t)(at - run), TOK_NONE, is_start && run == s);
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_whitespace = {"Whitespace", parse_nothing, cut_whitespace};

static enum dsc_status parse_delimiter(struct dsc_tok *t, const json_t *j, struct tok_pre *p,
                                       struct dsc_err *err)
{
    static const char *const keys[] = {"type", "delimiter", NULL};

    DSC_TRY(dsc_tok_json_keys(j, p->kind->type, keys, err));
    DSC_TRY(dsc_tok_json_text(t, j, p->kind->type, "delimiter", true, &p->text, err));
    if (!p->text.n || uni_n_bytes(p->text.s[0]) != p->text.n)
        return dsc_fail(err, DSC_E_SCHEMA, "%s: the delimiter is not one character", p->kind->type);
    return DSC_OK;
}

static enum dsc_status cut_delimiter(const struct tok_pre *p, const char *s, size_t n,
                                     bool is_start, struct tok_frags *out,
                                     struct dsc_tok_scratch *x, struct dsc_err *err)
{
    const char *at = s, *end = s + n, *hit;

    while (at < end && (hit = memmem(at, (size_t)(end - at), p->text.s, p->text.n))) {
        dsc_tok_emit(out, at, (size_t)(hit - at), TOK_NONE, is_start && at == s);
        at = hit + p->text.n;
    }
    dsc_tok_emit(out, at, (size_t)(end - at), TOK_NONE, is_start && at == s);
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_delimiter = {"CharDelimiterSplit", parse_delimiter,
                                                   cut_delimiter};
