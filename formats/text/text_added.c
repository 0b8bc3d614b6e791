/*
 * Added tokens: looked for in the text before the model sees it, the leftmost and then the longest
 * one first; those with `normalized` after the normalizers, the others in the raw text.
 */
#include "tok.h"

#include <string.h>

static enum dsc_status parse_one(struct dsc_tok *t, const json_t *j, struct tok_added *a,
                                 struct dsc_err *err)
{
    static const char *const keys[] = {"id",     "content",    "single_word", "lstrip",
                                       "rstrip", "normalized", "special",     NULL};
    const char *what = "an added token";
    int64_t id;

    DSC_TRY(dsc_tok_json_keys(j, what, keys, err));
    DSC_TRY(dsc_tok_json_int(j, what, "id", 0, TOK_MAX_ID, &id, err));
    DSC_TRY(dsc_tok_json_text(t, j, what, "content", true, &a->content, err));
    DSC_TRY(dsc_tok_json_flag(j, what, "single_word", false, &a->single_word, err));
    DSC_TRY(dsc_tok_json_flag(j, what, "lstrip", false, &a->lstrip, err));
    DSC_TRY(dsc_tok_json_flag(j, what, "rstrip", false, &a->rstrip, err));
    DSC_TRY(dsc_tok_json_flag(j, what, "special", false, &a->special, err));
    DSC_TRY(dsc_tok_json_flag(j, what, "normalized", !a->special, &a->normalized, err));
    a->id = (int32_t)id;
    if (!a->content.n)
        return dsc_fail(err, DSC_E_EMPTY, "added token %lld is empty", (long long)id);
    return DSC_OK;
}

/*
 * The library that made the file gives an added token its id in the vocabulary, else the next free
 * one, whatever the file says. A file that says otherwise has a model that was trained with other
 * ids than its tokenizer gives.
 */
static enum dsc_status check_id(const struct dsc_tok *t, const struct tok_added *a, int64_t next,
                                struct dsc_err *err)
{
    int32_t known = dsc_tok_vocab_find(&t->vocab, a->content.s, a->content.n);
    int64_t want = known >= 0 ? known : next;

    if (a->id == want)
        return DSC_OK;
    return dsc_fail(err, DSC_E_INCONSISTENT, "added token '%.64s' has id %d, but %s is %lld",
                    a->content.s, a->id,
                    known >= 0 ? "its id in the vocabulary" : "the next free id", (long long)want);
}

static enum dsc_status check_dup(const struct dsc_tok *t, size_t n, struct dsc_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (t->added[i].content.n == t->added[n].content.n &&
            !memcmp(t->added[i].content.s, t->added[n].content.s, t->added[n].content.n))
            return dsc_fail(err, DSC_E_DUP, "added token '%.64s' stands twice",
                            t->added[n].content.s);
    }
    return DSC_OK;
}

enum dsc_status dsc_tok_added_parse(struct dsc_tok *t, const json_t *list, struct dsc_err *err)
{
    size_t n = json_array_size(list), n_words = 0;
    int64_t max_id = -1;

    t->n_ids = t->vocab.n_ids;
    if (list && !json_is_null(list) && !json_is_array(list))
        return dsc_fail(err, DSC_E_SCHEMA, "added_tokens is not a list");
    if (n > 65536)
        return dsc_fail(err, DSC_E_LIMIT, "%zu added tokens, limit 65536", n);
    for (int32_t id = 0; id < t->vocab.n_ids; id++)
        n_words += t->vocab.words[id].s != NULL;
    DSC_NEW(t->added, &t->arena, n, err);
    for (size_t i = 0; i < n; i++) {
        struct tok_added *a = &t->added[i];
        int64_t next = max_id >= (int64_t)n_words ? max_id + 1 : (int64_t)n_words;

        DSC_TRY(parse_one(t, json_array_get(list, i), a, err));
        DSC_TRY(check_dup(t, i, err));
        DSC_TRY(check_id(t, a, next, err));
        max_id = a->id > max_id ? a->id : max_id;
        t->n_ids = a->id >= t->n_ids ? a->id + 1 : t->n_ids;
        t->n_added = i + 1;
    }
    return DSC_OK;
}

static enum dsc_status build_trie(struct dsc_tok *t, bool normalized, const struct tok_str *text,
                                  struct tok_trie *trie, bool *has_any, struct dsc_err *err)
{
    size_t n_bytes = 0;

    for (size_t i = 0; i < t->n_added; i++)
        n_bytes += text[i].n;
    DSC_TRY(dsc_tok_trie_init(trie, &t->arena, n_bytes, err));
    for (size_t i = 0; i < t->n_added; i++) {
        if (t->added[i].normalized == normalized && text[i].n) {
            dsc_tok_trie_add(trie, text[i], (int32_t)i);
            *has_any = true;
        }
    }
    return DSC_OK;
}

enum dsc_status dsc_tok_added_build(struct dsc_tok *t, struct dsc_err *err)
{
    struct dsc_tok_scratch x = {0};
    struct tok_str *raw, *norm;
    enum dsc_status st = DSC_OK;

    DSC_NEW(raw, &t->arena, t->n_added, err);
    DSC_NEW(norm, &t->arena, t->n_added, err);
    for (size_t i = 0; i < t->n_added; i++) {
        bool is_start = true;

        raw[i] = norm[i] = t->added[i].content;
        if (t->added[i].normalized) {
            DSC_TRY_OUT(st, dsc_tok_normalize(t, &norm[i], &is_start, &x, err));
            DSC_TRY_OUT(st, dsc_tok_strdup(t, norm[i].s, norm[i].n, &norm[i], err));
        }
    }
    DSC_TRY_OUT(st, build_trie(t, false, raw, &t->raw_added, &t->has_raw_added, err));
    DSC_TRY_OUT(st, build_trie(t, true, norm, &t->norm_added, &t->has_norm_added, err));
out:
    dsc_tok_scratch_clear(&x);
    return st;
}

/* The longest added token at s; TOK_NONE when there is none. */
static int32_t match_at(const struct tok_trie *trie, const char *s, size_t n, size_t *n_used)
{
    int32_t found = TOK_NONE;
    uint32_t node = 0;

    for (size_t i = 0; i < n; i++) {
        node = tok_trie_step(trie, node, (unsigned char)s[i]);
        if (!node)
            break;
        if (trie->value[node] >= 0) {
            found = trie->value[node];
            *n_used = i + 1;
        }
    }
    return found;
}

static bool is_alone(const char *s, size_t n, size_t lo, size_t hi)
{
    const char *after = s + hi;

    if (lo > 0 && uni_is(uni_before(s + lo), UNI_WORD))
        return false;
    return hi == n || !uni_is(uni_next(&after), UNI_WORD);
}

/* Widen the match over the spaces around it, as far as `from` (the end of the last match). */
static void widen(const struct tok_added *a, const char *s, size_t n, size_t from, size_t *lo,
                  size_t *hi)
{
    if (a->lstrip && *lo < from)
        *lo = from < *hi ? from : *hi; /* the last match took spaces that this one begins with */
    while (a->lstrip && *lo > from && uni_is(uni_before(s + *lo), UNI_SPACE)) {
        --*lo;
        while (((unsigned char)s[*lo] & 0xC0) == 0x80)
            --*lo;
    }
    while (a->rstrip && *hi < n) {
        const char *next = s + *hi;

        if (!uni_is(uni_next(&next), UNI_SPACE))
            break;
        *hi = (size_t)(next - s);
    }
}

void dsc_tok_added_find(const struct dsc_tok *t, bool normalized, const char *s, size_t n,
                        bool is_start, struct tok_frags *out)
{
    const struct tok_trie *trie = normalized ? &t->norm_added : &t->raw_added;
    bool has_any = normalized ? t->has_norm_added : t->has_raw_added;
    size_t from = 0, i = 0;

    while (has_any && i < n) {
        size_t used = 0, lo = i, hi;
        int32_t k =
            trie->starts[(unsigned char)s[i]] ? match_at(trie, s + i, n - i, &used) : TOK_NONE;

        if (k < 0) {
            i++;
            continue;
        }
        hi = i += used;
        if (t->added[k].single_word && !is_alone(s, n, lo, hi))
            continue;
        widen(&t->added[k], s, n, from, &lo, &hi);
        if (from < lo)
            dsc_tok_emit(out, s + from, lo - from, TOK_NONE, is_start && from == 0);
        dsc_tok_emit(out, s + lo, hi - lo, t->added[k].id, is_start && lo == 0);
        from = hi;
    }
    if (from < n)
        dsc_tok_emit(out, s + from, n - from, TOK_NONE, is_start && from == 0);
}
