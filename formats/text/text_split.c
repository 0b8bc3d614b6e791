/* Steps that use patterns or rewrite bytes: Split, Replace, ByteLevel, Metaspace. */
#include "tok.h"

#include <string.h>

enum { INVERTS = 1, ADDS_PREFIX = 2, USES_REGEX = 4, SPLITS = 8, ALWAYS = 16, FIRST = 32 };

static enum dsc_status parse_split(struct dsc_tok *t, const json_t *j, struct tok_pre *p,
                                   struct dsc_err *err)
{
    static const char *const keys[] = {"type", "pattern", "behavior", "invert", NULL};
    bool inverts;

    DSC_TRY(dsc_tok_json_keys(j, "Split", keys, err));
    DSC_TRY(dsc_tok_json_flag(j, "Split", "invert", false, &inverts, err));
    DSC_TRY(dsc_tok_behavior_parse(j, "Split", &p->behavior, err));
    p->flags = inverts ? INVERTS : 0;
    return dsc_tok_pattern_parse(t, j, &p->pattern, "Split", err);
}

static enum dsc_status cut_split(const struct tok_pre *p, const char *s, size_t n, bool is_start,
                                 struct tok_frags *out, struct dsc_tok_scratch *x,
                                 struct dsc_err *err)
{
    DSC_TRY(dsc_tok_pattern_find(&p->pattern, s, n, x, err));
    dsc_tok_cut(x, s, (p->flags & INVERTS) != 0, p->behavior, is_start, out);
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_split = {"Split", parse_split, cut_split};

static enum dsc_status parse_replace(struct dsc_tok *t, const json_t *j, struct tok_norm *n,
                                     struct dsc_err *err)
{
    static const char *const keys[] = {"type", "pattern", "content", NULL};

    DSC_TRY(dsc_tok_json_keys(j, "Replace", keys, err));
    DSC_TRY(dsc_tok_json_text(t, j, "Replace", "content", true, &n->text, err));
    return dsc_tok_pattern_parse(t, j, &n->pattern, "Replace", err);
}

static enum dsc_status apply_replace(const struct tok_norm *n, const char *s, size_t n_bytes,
                                     struct dsc_bytes *out, bool *is_start,
                                     struct dsc_tok_scratch *x, struct dsc_err *err)
{
    DSC_TRY(dsc_tok_pattern_find(&n->pattern, s, n_bytes, x, err));
    for (size_t i = 0; i < x->n_ranges; i++) {
        const struct tok_range *r = &x->range[i];

        /* The oracle's own slices go wrong behind an insertion: no ids to be equal to. */
        if (r->is_match && r->lo == r->hi)
            return dsc_fail(err, DSC_E_UNSUPPORTED, "Replace: '%.128s' matches nothing at byte %zu",
                            n->pattern.literal.s, r->lo);
        if (!r->is_match)
            uni_put(out, s + r->lo, r->hi - r->lo);
        else
            uni_put(out, n->text.s, n->text.n);
        if (r->is_match)
            dsc_tok_track(x, out, r->hi - 1);
        else
            dsc_tok_track_copy(x, out, r->lo);
        /* What replaces several characters counts as the last of them, as in the oracle. */
        if (i == 0 && r->is_match && (!n->text.n || r->hi > uni_n_bytes(s[0])))
            *is_start = false;
    }
    return out->is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory to normalize a text") : DSC_OK;
}

const struct tok_norm_kind dsc_tok_norm_replace = {"Replace", parse_replace, apply_replace};

/* GPT-2's alphabet: printable Latin-1 stands for itself, the others for U+0100 and on, in order. */
static uint32_t byte_char(unsigned char c)
{
    if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174)
        return c;
    if (c <= 32)
        return 256u + c;
    return c == 173 ? 256u + 67 : 256u + 33 + (c - 127u);
}

static void put_byte_chars(struct dsc_bytes *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        uni_put_cp(out, byte_char((unsigned char)s[i]));
}

static enum dsc_status parse_byte_norm(struct dsc_tok *t, const json_t *j, struct tok_norm *n,
                                       struct dsc_err *err)
{
    static const char *const keys[] = {"type", NULL};

    return dsc_tok_json_keys(j, "ByteLevel", keys, err);
}

static enum dsc_status apply_bytelevel(const struct tok_norm *n, const char *s, size_t n_bytes,
                                       struct dsc_bytes *out, bool *is_start,
                                       struct dsc_tok_scratch *x, struct dsc_err *err)
{
    for (size_t i = 0; i < n_bytes; i++) {
        put_byte_chars(out, s + i, 1);
        dsc_tok_track(x, out, i);
    }
    return out->is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory to normalize a text") : DSC_OK;
}

const struct tok_norm_kind dsc_tok_norm_bytelevel = {"ByteLevel", parse_byte_norm, apply_bytelevel};

static enum dsc_status parse_bytelevel(struct dsc_tok *t, const json_t *j, struct tok_pre *p,
                                       struct dsc_err *err)
{
    static const char *const keys[] = {"type", "add_prefix_space", "trim_offsets", "use_regex",
                                       NULL};
    bool adds, uses;

    DSC_TRY(dsc_tok_json_keys(j, "ByteLevel", keys, err));
    DSC_TRY(dsc_tok_json_flag(j, "ByteLevel", "add_prefix_space", true, &adds, err));
    DSC_TRY(dsc_tok_json_flag(j, "ByteLevel", "use_regex", true, &uses, err));
    p->flags = (adds ? ADDS_PREFIX : 0u) | (uses ? USES_REGEX : 0u);
    return DSC_OK;
}

/* A word in byte characters; its bytes lo .. hi are those of the piece, but for a space before it.
 */
static void emit_mapped(const char *s, const struct tok_range *r, bool has_prefix, bool is_start,
                        struct tok_frags *out, struct dsc_tok_scratch *x)
{
    struct dsc_bytes *mapped = &x->work[1];
    const struct tok_span *span = out->src_span;
    const char *src = out->src;

    mapped->n_bytes = x->work_spans.n = 0;
    for (size_t i = r->lo; i < r->hi; i++) {
        put_byte_chars(mapped, s + i, 1);
        while (out->has_spans && x->work_spans.n < mapped->n_bytes && !x->work_spans.is_failed)
            dsc_tok_push_span(&x->work_spans, span[has_prefix && i > 0 ? i - 1 : i]);
    }
    out->is_failed |= x->work_spans.is_failed;
    out->has_spans &= !x->work_spans.is_failed;
    out->src = (const char *)mapped->data;
    out->src_span = x->work_spans.at;
    dsc_tok_emit(out, (const char *)mapped->data, mapped->n_bytes, TOK_NONE,
                 is_start && r->lo == 0);
    out->src = src;
    out->src_span = span;
}

static enum dsc_status cut_bytelevel(const struct tok_pre *p, const char *s, size_t n,
                                     bool is_start, struct tok_frags *out,
                                     struct dsc_tok_scratch *x, struct dsc_err *err)
{
    struct dsc_bytes *spaced = &x->work[0], *mapped = &x->work[1];
    const bool has_prefix = (p->flags & ADDS_PREFIX) && s[0] != ' ';

    if (has_prefix) {
        spaced->n_bytes = 0;
        uni_put(spaced, " ", 1);
        uni_put(spaced, s, n);
        s = (const char *)spaced->data;
        n = spaced->n_bytes;
    }
    if (p->flags & USES_REGEX) {
        dsc_tok_gpt2_find(s, n, x);
    } else {
        x->n_ranges = 0;
        dsc_tok_push_range(x, 0, n, true);
    }
    for (size_t i = 0; i < x->n_ranges; i++)
        emit_mapped(s, &x->range[i], has_prefix, is_start, out, x);
    out->is_failed |= x->is_range_failed || spaced->is_failed || mapped->is_failed;
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_bytelevel = {"ByteLevel", parse_bytelevel, cut_bytelevel};

/* prepend_scheme, or the older add_prefix_space: where a prefix is added. */
static enum dsc_status parse_scheme(const json_t *j, bool is_first_step, struct tok_pre *p,
                                    struct dsc_err *err)
{
    const char *scheme = json_string_value(json_object_get(j, "prepend_scheme"));
    bool adds;

    DSC_TRY(dsc_tok_json_flag(j, "Metaspace", "add_prefix_space", true, &adds, err));
    if (!adds && scheme && strcmp(scheme, "never"))
        return dsc_fail(err, DSC_E_INCONSISTENT,
                        "Metaspace: add_prefix_space is false, prepend_scheme '%.32s'", scheme);
    if (!adds || (scheme && !strcmp(scheme, "never")))
        return DSC_OK;
    if (scheme && strcmp(scheme, "always") && strcmp(scheme, "first"))
        return dsc_fail(err, DSC_E_UNSUPPORTED, "Metaspace: prepend_scheme '%.32s'", scheme);
    p->flags |= scheme && !strcmp(scheme, "first") ? FIRST : ALWAYS;
    /* Behind another step, the oracle has several firsts where a normalizer made one character
     * many. */
    if ((p->flags & FIRST) && !is_first_step)
        return dsc_fail(err, DSC_E_UNSUPPORTED,
                        "Metaspace: prepend_scheme 'first' behind another pre-tokenizer");
    return DSC_OK;
}

static enum dsc_status parse_metaspace(struct dsc_tok *t, const json_t *j, struct tok_pre *p,
                                       struct dsc_err *err)
{
    static const char *const keys[] = {
        "type", "replacement", "add_prefix_space", "prepend_scheme", "str_rep", "split", NULL};
    bool splits;

    DSC_TRY(dsc_tok_json_keys(j, "Metaspace", keys, err));
    DSC_TRY(dsc_tok_json_text(t, j, "Metaspace", "replacement", true, &p->text, err));
    DSC_TRY(dsc_tok_json_flag(j, "Metaspace", "split", true, &splits, err));
    if (!p->text.n || uni_n_bytes(p->text.s[0]) != p->text.n)
        return dsc_fail(err, DSC_E_SCHEMA, "Metaspace: the replacement is not one character");
    p->flags = splits ? SPLITS : 0;
    return parse_scheme(j, p == t->pre, p, err);
}

static bool starts_with(const char *s, size_t n, const struct tok_str *prefix)
{
    return n >= prefix->n && !memcmp(s, prefix->s, prefix->n);
}

/* Spans of the text with replacements: what a step puts before it is of its first character. */
static void track_metaspace(const struct tok_pre *p, const char *s, size_t n, size_t n_prefix,
                            struct tok_frags *out, struct dsc_tok_scratch *x)
{
    const struct tok_span *span = out->src_span;

    x->work_spans.n = 0;
    for (size_t k = 0; k < n_prefix; k++)
        dsc_tok_push_span(&x->work_spans, span[0]);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < (s[i] == ' ' ? p->text.n : 1); k++)
            dsc_tok_push_span(&x->work_spans, span[i]);
    out->is_failed |= x->work_spans.is_failed;
    out->has_spans &= !x->work_spans.is_failed;
    out->src = (const char *)x->work[0].data;
    out->src_span = x->work_spans.at;
}

/* Spaces become the replacement, which each word then starts with. */
static enum dsc_status cut_metaspace(const struct tok_pre *p, const char *s, size_t n,
                                     bool is_start, struct tok_frags *out,
                                     struct dsc_tok_scratch *x, struct dsc_err *err)
{
    struct dsc_bytes *b = &x->work[0];
    bool adds = (p->flags & ALWAYS) || ((p->flags & FIRST) && is_start);
    const struct tok_pattern mark = {.kind = TOK_LITERAL, .literal = p->text};
    size_t n_prefix;

    b->n_bytes = 0;
    if (adds && s[0] != ' ' && !starts_with(s, n, &p->text))
        uni_put(b, p->text.s, p->text.n);
    n_prefix = b->n_bytes;
    for (size_t i = 0; i < n; i++) {
        bool is_space = s[i] == ' ';

        uni_put(b, is_space ? p->text.s : s + i, is_space ? p->text.n : 1);
    }
    if (b->is_failed)
        return dsc_fail(err, DSC_E_MEMORY, "no memory to cut a text");
    if (out->has_spans)
        track_metaspace(p, s, n, n_prefix, out, x);
    if (!(p->flags & SPLITS)) {
        dsc_tok_emit(out, (const char *)b->data, b->n_bytes, TOK_NONE, is_start);
        return DSC_OK;
    }
    DSC_TRY(dsc_tok_pattern_find(&mark, (const char *)b->data, b->n_bytes, x, err));
    dsc_tok_cut(x, (const char *)b->data, false, TOK_MERGED_WITH_NEXT, is_start, out);
    return DSC_OK;
}

const struct tok_pre_kind dsc_tok_pre_metaspace = {"Metaspace", parse_metaspace, cut_metaspace};
