/*
 * The normalizer Precompiled: SentencePiece's table of replacements. It is base64 of a 32-bit
 * number of bytes, a double-array trie of that size (darts-clone's units), and the replacements,
 * each ended by a 0 byte.
 *
 * As the oracle does it: a grapheme cluster of under 6 bytes is looked up as a whole and, if any
 * key is a prefix of it, becomes that key's replacement; else each of its characters by itself.
 * Of several keys the shortest wins.
 */
#include "formats_text.h"
#include "tok.h"

#include <string.h>

enum { CLUSTER_MAX_BYTES = 5 };

struct tok_charsmap {
    uint32_t *unit;
    size_t n_units;
    const char *text; /* the replacements; a 0 follows the last byte */
    size_t n_text;
};

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static enum dsc_status base64_decode(const char *s, size_t n, struct dsc_bytes *out,
                                     struct dsc_err *err)
{
    uint32_t bits = 0;
    int n_bits = 0;

    if (n % 4)
        return dsc_fail(err, DSC_E_SCHEMA, "Precompiled: base64 of %zu characters", n);
    for (int k = 0; k < 2 && n && s[n - 1] == '='; k++)
        n--;
    for (size_t i = 0; i < n; i++) {
        int d = base64_digit(s[i]);

        if (d < 0)
            return dsc_fail(err, DSC_E_SCHEMA, "Precompiled: character %zu is not base64", i);
        bits = bits << 6 | (uint32_t)d;
        n_bits += 6;
        if (n_bits >= 8) {
            char byte = (char)(bits >> (n_bits - 8) & 0xFF);

            n_bits -= 8;
            uni_put(out, &byte, 1);
        }
    }
    return out->is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for a charsmap") : DSC_OK;
}

static uint32_t u32_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static enum dsc_status read_map(struct dsc_tok *t, const struct dsc_bytes *b, struct tok_norm *n,
                                struct dsc_err *err)
{
    struct tok_charsmap *m;
    struct tok_str text;
    size_t n_trie = b->n_bytes >= 4 ? u32_at(b->data) : 0;

    if (b->n_bytes < 4 || n_trie > b->n_bytes - 4)
        return dsc_fail(err, DSC_E_TRUNC,
                        "Precompiled: %zu bytes, of which %zu are said to be a "
                        "trie",
                        b->n_bytes, n_trie);
    if (n_trie % 4 || !n_trie)
        return dsc_fail(err, DSC_E_SCHEMA, "Precompiled: a trie of %zu bytes", n_trie);
    DSC_NEW(m, &t->arena, 1, err);
    m->n_units = n_trie / 4;
    DSC_NEW(m->unit, &t->arena, m->n_units, err);
    for (size_t i = 0; i < m->n_units; i++)
        m->unit[i] = u32_at(b->data + 4 + 4 * i);
    DSC_TRY(
        dsc_tok_strdup(t, (const char *)b->data + 4 + n_trie, b->n_bytes - 4 - n_trie, &text, err));
    if (dsc_utf8_check(text.s, text.n) < text.n)
        return dsc_fail(err, DSC_E_ENCODING, "Precompiled: the replacements are not UTF-8");
    m->text = text.s;
    m->n_text = text.n;
    n->charsmap = m;
    return DSC_OK;
}

static enum dsc_status parse_precompiled(struct dsc_tok *t, const json_t *j, struct tok_norm *n,
                                         struct dsc_err *err)
{
    static const char *const keys[] = {"type", "precompiled_charsmap", NULL};
    struct tok_str base64 = {0};
    struct dsc_bytes b = {0};
    enum dsc_status st;

    DSC_TRY(dsc_tok_json_keys(j, "Precompiled", keys, err));
    DSC_TRY(dsc_tok_json_text(t, j, "Precompiled", "precompiled_charsmap", true, &base64, err));
    st = base64_decode(base64.s, base64.n, &b, err);
    if (st == DSC_OK)
        st = read_map(t, &b, n, err);
    dsc_bytes_clear(&b);
    return st;
}

/* Where a unit's children are, before the byte is mixed in. */
static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << ((unit & 1u << 9) >> 6);
}

/* The offset of the replacement of the shortest key that starts s; -1 none, -2 a broken trie. */
static int64_t lookup(const struct tok_charsmap *m, const char *s, size_t n)
{
    uint32_t at = offset_of(m->unit[0]);

    for (size_t i = 0; i < n && s[i]; i++) {
        unsigned char c = (unsigned char)s[i];
        uint32_t unit;

        at ^= c;
        if (at >= m->n_units)
            return -2;
        unit = m->unit[at];
        if ((unit & (1u << 31 | 0xFF)) != c)
            return -1;
        at ^= offset_of(unit);
        if (unit >> 8 & 1)
            return at < m->n_units ? (int64_t)(m->unit[at] & 0x7FFFFFFF) : -2;
    }
    return -1;
}

static size_t n_chars(const char *s, size_t n)
{
    size_t chars = 0;

    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    return chars;
}

/*
 * The oracle's changes: new characters stand for the old ones in turn, more are additions; old ones
 * that are left over go with the last new one, which may be that of a replacement before. Where
 * there is none they do not count at all, and all that follows is one off.
 */
static void track_changes(const char *text, const char *s, size_t n, struct dsc_tok_scratch *x)
{
    const size_t n_old = n_chars(s, n);
    size_t n_new = 0, len;

    for (; *text; text += len) {
        len = uni_n_bytes(*text);
        dsc_tok_push_change(x, len, n_new++ < n_old ? 0 : 1);
    }
    if (n_new < n_old && x->n_ranges > 0)
        dsc_tok_add_change(x, (int)n_new - (int)n_old);
}

/* Put the replacement of s if there is one. */
static enum dsc_status replace(const struct tok_charsmap *m, const char *s, size_t n,
                               struct dsc_bytes *out, struct dsc_tok_scratch *x, bool *is_done,
                               struct dsc_err *err)
{
    int64_t at = lookup(m, s, n);

    *is_done = at >= 0;
    /* A replacement starts with a character: all text behind this place is valid UTF-8. */
    if (at == -2 || at > (int64_t)m->n_text || (at >= 0 && (m->text[at] & 0xC0) == 0x80))
        return dsc_fail(err, DSC_E_INCONSISTENT, "Precompiled: the trie points outside its table");
    if (at >= 0)
        uni_put(out, m->text + at, strlen(m->text + at));
    if (at >= 0 && x->to)
        track_changes(m->text + at, s, n, x);
    return DSC_OK;
}

static enum dsc_status apply_precompiled(const struct tok_norm *n, const char *s, size_t n_bytes,
                                         struct dsc_bytes *out, bool *is_start,
                                         struct dsc_tok_scratch *x, struct dsc_err *err)
{
    const char *const first = s, *end = s + n_bytes;
    size_t len;
    bool is_done;

    x->n_ranges = 0;

    for (; s < end; s += len) {
        len = dsc_uni_cluster(s, (size_t)(end - s));
        is_done = false;
        if (len <= CLUSTER_MAX_BYTES)
            DSC_TRY(replace(n->charsmap, s, len, out, x, &is_done, err));
        for (size_t at = 0; !is_done && at < len;) {
            size_t n_char = uni_n_bytes(s[at]);
            bool is_replaced;

            DSC_TRY(replace(n->charsmap, s + at, n_char, out, x, &is_replaced, err));
            if (!is_replaced)
                uni_put(out, s + at, n_char);
            if (!is_replaced && x->to)
                dsc_tok_push_change(x, n_char, 0);
            at += n_char;
        }
    }
    if (x->to)
        dsc_tok_track_changes(x, first, n_bytes);
    return out->is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory to normalize a text") : DSC_OK;
}

const struct tok_norm_kind dsc_tok_norm_precompiled = {"Precompiled", parse_precompiled,
                                                       apply_precompiled};
