/* Normalizers that work on characters. Patterns are in text_pattern.c, charsmaps in
 * text_charsmap.c.
 */
#include "tok.h"

#include <string.h>

enum { CLEAN = 1, CJK = 2, STRIP_ACCENTS = 4, LOWER = 8, LEFT = 16, RIGHT = 32 };

static const char *const only_type[] = {"type", NULL};

static enum dsc_status parse_nothing(struct dsc_tok *t, const json_t *j, struct tok_norm *n,
                                     struct dsc_err *err)
{
    return dsc_tok_json_keys(j, n->kind->type, only_type, err);
}

static enum dsc_status status_of(const struct dsc_bytes *b, struct dsc_err *err)
{
    return b->is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory to normalize a text") : DSC_OK;
}

static enum dsc_status parse_flag(const json_t *j, struct tok_norm *n, const char *key, bool dflt,
                                  unsigned flag, struct dsc_err *err)
{
    bool is_on;

    DSC_TRY(dsc_tok_json_flag(j, n->kind->type, key, dflt, &is_on, err));
    n->flags |= is_on ? flag : 0;
    return DSC_OK;
}

static enum dsc_status parse_bert(struct dsc_tok *t, const json_t *j, struct tok_norm *n,
                                  struct dsc_err *err)
{
    static const char *const keys[] = {"type",          "clean_text", "handle_chinese_chars",
                                       "strip_accents", "lowercase",  NULL};

    DSC_TRY(dsc_tok_json_keys(j, n->kind->type, keys, err));
    DSC_TRY(parse_flag(j, n, "clean_text", true, CLEAN, err));
    DSC_TRY(parse_flag(j, n, "handle_chinese_chars", true, CJK, err));
    DSC_TRY(parse_flag(j, n, "lowercase", true, LOWER, err));
    return parse_flag(j, n, "strip_accents", (n->flags & LOWER) != 0, STRIP_ACCENTS, err);
}

static void bert_ascii(unsigned flags, const char *s, size_t n, struct dsc_bytes *out,
                       bool *is_start)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        unsigned kind = uni_kind(c)->flags;
        char to = (char)c;

        if ((flags & CLEAN) && (kind & UNI_DROP)) {
            *is_start = *is_start && i > 0;
            continue;
        }
        if ((flags & CLEAN) && (kind & UNI_BLANK))
            to = ' ';
        else if ((flags & LOWER) && c >= 'A' && c <= 'Z')
            to = (char)(c + ('a' - 'A'));
        uni_put(out, &to, 1);
    }
}

static void bert_clean(unsigned flags, const char *s, size_t n, struct dsc_bytes *out,
                       bool *is_start)
{
    const char *p = s, *end = s + n;

    while (p < end) {
        bool is_first = p == s;
        uint32_t cp = uni_next(&p);
        unsigned kind = uni_kind(cp)->flags;

        if ((flags & CLEAN) && (kind & UNI_DROP)) {
            *is_start = *is_start && !is_first;
            continue;
        }
        if ((flags & CLEAN) && (kind & UNI_BLANK))
            cp = ' ';
        if ((flags & CJK) && (kind & UNI_CJK))
            uni_put(out, " ", 1);
        uni_put_cp(out, cp);
        if ((flags & CJK) && (kind & UNI_CJK))
            uni_put(out, " ", 1);
    }
}

/* Drop the characters of `drop`, and put the others in lower case if asked. */
static void filter(const char *s, size_t n, unsigned drop, bool lowers, struct dsc_bytes *out,
                   bool *is_start)
{
    const char *p = s, *end = s + n;

    while (p < end) {
        bool is_first = p == s;
        uint32_t cp = uni_next(&p);

        if (uni_is(cp, drop))
            *is_start = *is_start && !is_first;
        else if (lowers)
            dsc_uni_put_lower(out, cp);
        else
            uni_put_cp(out, cp);
    }
}

static enum dsc_status apply_bert(const struct tok_norm *n, const char *s, size_t n_bytes,
                                  struct dsc_bytes *out, bool *is_start, struct dsc_tok_scratch *x,
                                  struct dsc_err *err)
{
    struct dsc_bytes *clean = &x->work[0], *nfd = &x->work[1];

    if (dsc_uni_is_ascii(s, n_bytes)) {
        bert_ascii(n->flags, s, n_bytes, out, is_start);
        return status_of(out, err);
    }
    clean->n_bytes = nfd->n_bytes = 0;
    bert_clean(n->flags, s, n_bytes, clean, is_start);
    DSC_TRY(status_of(clean, err));
    if (n->flags & STRIP_ACCENTS) {
        DSC_TRY(dsc_uni_normalize(UNI_NFD, (const char *)clean->data, clean->n_bytes, &x->cps, nfd,
                                  err));
        DSC_TRY(status_of(nfd, err));
        clean = nfd;
    }
    filter((const char *)clean->data, clean->n_bytes, n->flags & STRIP_ACCENTS ? UNI_MN : 0,
           (n->flags & LOWER) != 0, out, is_start);
    return status_of(out, err);
}

const struct tok_norm_kind dsc_tok_norm_bert = {"BertNormalizer", parse_bert, apply_bert};

static enum dsc_status apply_lowercase(const struct tok_norm *n, const char *s, size_t n_bytes,
                                       struct dsc_bytes *out, bool *is_start,
                                       struct dsc_tok_scratch *x, struct dsc_err *err)
{
    filter(s, n_bytes, 0, true, out, is_start);
    return status_of(out, err);
}

const struct tok_norm_kind dsc_tok_norm_lowercase = {"Lowercase", parse_nothing, apply_lowercase};

static enum dsc_status apply_stripaccents(const struct tok_norm *n, const char *s, size_t n_bytes,
                                          struct dsc_bytes *out, bool *is_start,
                                          struct dsc_tok_scratch *x, struct dsc_err *err)
{
    filter(s, n_bytes, UNI_MARK, false, out, is_start);
    return status_of(out, err);
}

const struct tok_norm_kind dsc_tok_norm_stripaccents = {"StripAccents", parse_nothing,
                                                        apply_stripaccents};

static enum dsc_status apply_form(const struct tok_norm *n, const char *s, size_t n_bytes,
                                  struct dsc_bytes *out, bool *is_start, struct dsc_tok_scratch *x,
                                  struct dsc_err *err)
{
    enum uni_form form = n->kind == &dsc_tok_norm_nfc    ? UNI_NFC
                         : n->kind == &dsc_tok_norm_nfd  ? UNI_NFD
                         : n->kind == &dsc_tok_norm_nfkc ? UNI_NFKC
                                                         : UNI_NFKD;

    DSC_TRY(dsc_uni_normalize(form, s, n_bytes, &x->cps, out, err));
    return status_of(out, err);
}

const struct tok_norm_kind dsc_tok_norm_nfc = {"NFC", parse_nothing, apply_form};
const struct tok_norm_kind dsc_tok_norm_nfd = {"NFD", parse_nothing, apply_form};
const struct tok_norm_kind dsc_tok_norm_nfkc = {"NFKC", parse_nothing, apply_form};
const struct tok_norm_kind dsc_tok_norm_nfkd = {"NFKD", parse_nothing, apply_form};

/* The classes of the neural machine translation pipelines that SentencePiece came from. */
static bool nmt_drops(uint32_t c)
{
    return (c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
           c == 0x9F;
}

static bool nmt_blanks(uint32_t c)
{
    return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

static enum dsc_status apply_nmt(const struct tok_norm *n, const char *s, size_t n_bytes,
                                 struct dsc_bytes *out, bool *is_start, struct dsc_tok_scratch *x,
                                 struct dsc_err *err)
{
    const char *p = s, *end = s + n_bytes;

    while (p < end) {
        bool is_first = p == s;
        uint32_t cp = uni_next(&p);

        if (nmt_drops(cp))
            *is_start = *is_start && !is_first;
        else
            uni_put_cp(out, nmt_blanks(cp) ? ' ' : cp);
    }
    return status_of(out, err);
}

const struct tok_norm_kind dsc_tok_norm_nmt = {"Nmt", parse_nothing, apply_nmt};

static enum dsc_status parse_prepend(struct dsc_tok *t, const json_t *j, struct tok_norm *n,
                                     struct dsc_err *err)
{
    static const char *const keys[] = {"type", "prepend", NULL};

    DSC_TRY(dsc_tok_json_keys(j, n->kind->type, keys, err));
    return dsc_tok_json_text(t, j, n->kind->type, "prepend", true, &n->text, err);
}

static enum dsc_status apply_prepend(const struct tok_norm *n, const char *s, size_t n_bytes,
                                     struct dsc_bytes *out, bool *is_start,
                                     struct dsc_tok_scratch *x, struct dsc_err *err)
{
    if (n_bytes) {
        uni_put(out, n->text.s, n->text.n);
        dsc_tok_track(x, out, 0);
    }
    uni_put(out, s, n_bytes);
    dsc_tok_track_copy(x, out, 0);
    return status_of(out, err);
}

const struct tok_norm_kind dsc_tok_norm_prepend = {"Prepend", parse_prepend, apply_prepend};

static enum dsc_status parse_strip(struct dsc_tok *t, const json_t *j, struct tok_norm *n,
                                   struct dsc_err *err)
{
    static const char *const keys[] = {"type", "strip_left", "strip_right", NULL};

    DSC_TRY(dsc_tok_json_keys(j, n->kind->type, keys, err));
    DSC_TRY(parse_flag(j, n, "strip_left", true, LEFT, err));
    return parse_flag(j, n, "strip_right", true, RIGHT, err);
}

static enum dsc_status apply_strip(const struct tok_norm *n, const char *s, size_t n_bytes,
                                   struct dsc_bytes *out, bool *is_start, struct dsc_tok_scratch *x,
                                   struct dsc_err *err)
{
    const char *const from = s, *end = s + n_bytes, *next = s;

    while ((n->flags & LEFT) && s < end && uni_is(uni_next(&next), UNI_SPACE)) {
        s = next;
        *is_start = false;
    }
    while ((n->flags & RIGHT) && s < end && uni_is(uni_before(end), UNI_SPACE)) {
        end--;
        while (((unsigned char)*end & 0xC0) == 0x80)
            end--;
    }
    uni_put(out, s, (size_t)(end - s));
    dsc_tok_track_copy(x, out, (size_t)(s - from));
    return status_of(out, err);
}

const struct tok_norm_kind dsc_tok_norm_strip = {"Strip", parse_strip, apply_strip};

enum dsc_status dsc_tok_normalize(const struct dsc_tok *t, struct tok_str *s, bool *is_start,
                                  struct dsc_tok_scratch *x, struct dsc_err *err)
{
    for (size_t i = 0; i < t->n_norms; i++) {
        struct dsc_bytes *to = &x->norm[i % 2];

        to->n_bytes = 0;
        x->to = x->has_spans ? &x->norm_spans[i % 2] : NULL;
        DSC_TRY((x->has_spans ? dsc_tok_norm_tracked : t->norm[i].kind->apply)(
            &t->norm[i], s->s, s->n, to, is_start, x, err));
        x->from = x->has_spans ? x->to->at : NULL;
        *s = (struct tok_str){(const char *)to->data, to->n_bytes};
    }
    return DSC_OK;
}
