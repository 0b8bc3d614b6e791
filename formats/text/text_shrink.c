/*
 * A tokenizer without the tokens that nothing needs: its tokenizer.json is rewritten, ids close up.
 */
#include "formats_text.h"
#include "tok.h"

#include <stdio.h>
#include <string.h>

struct shrink {
    const struct dsc_tok *t;
    json_t *root, *model;
    bool *keep;      /* [n_ids] */
    int32_t *new_id; /* [n_ids] */
    struct dsc_err *err;
};

static bool is_id(const struct shrink *s, json_int_t id)
{
    return id >= 0 && id < s->t->n_ids;
}

/* ---- what stays ---- */

static void keep_token(struct shrink *s, const char *token, size_t n)
{
    const int32_t id = dsc_tok_id(s->t, token, n);

    if (id >= 0)
        s->keep[id] = true;
}

static size_t n_chars(const char *text, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* Characters and bytes: what a word falls apart into when its longer pieces are not there. */
static bool is_smallest(struct tok_str word, const char *prefix)
{
    const size_t n_prefix = prefix ? strlen(prefix) : 0;

    if (n_prefix > 0 && word.n > n_prefix && memcmp(word.s, prefix, n_prefix) == 0) {
        word.s += n_prefix;
        word.n -= n_prefix;
    }
    if (n_chars(word.s, word.n) == 1)
        return true;
    return word.n == 6 && memcmp(word.s, "<0x", 3) == 0 && word.s[5] == '>';
}

static void keep_smallest(struct shrink *s)
{
    const char *prefix = json_string_value(json_object_get(s->model, "continuing_subword_prefix"));

    for (int32_t id = 0; id < s->t->vocab.n_ids; id++)
        if (s->t->vocab.words[id].s && is_smallest(s->t->vocab.words[id], prefix))
            s->keep[id] = true;
}

/* Tokens that the tokenizer puts in, and those that it knows by name. */
static void keep_special(struct shrink *s)
{
    const json_t *added = json_object_get(s->root, "added_tokens"), *item;
    size_t i;

    json_array_foreach(added, i, item)
    {
        const json_int_t id = json_integer_value(json_object_get(item, "id"));

        if (is_id(s, id))
            s->keep[id] = true;
    }
    if (is_id(s, s->t->unk_id))
        s->keep[s->t->unk_id] = true;
    if (is_id(s, s->t->pad_id))
        s->keep[s->t->pad_id] = true;
}

/* A merge is ["a", "b"] or "a b"; false: it is neither. */
static bool parts_of(const json_t *merge, struct tok_str part[2])
{
    const char *text = json_string_value(merge), *gap = text ? strchr(text, ' ') : NULL;

    if (gap) {
        part[0] = (struct tok_str){text, (size_t)(gap - text)};
        part[1] = (struct tok_str){gap + 1, strlen(gap + 1)};
        return true;
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *p = json_array_get(merge, i);

        if (!json_is_string(p))
            return false;
        part[i] = (struct tok_str){json_string_value(p), json_string_length(p)};
    }
    return true;
}

static int32_t merged(const struct shrink *s, const struct tok_str part[2])
{
    char text[1024];

    if (part[0].n + part[1].n > sizeof text)
        return TOK_NONE;
    memcpy(text, part[0].s, part[0].n);
    memcpy(text + part[0].n, part[1].s, part[1].n);
    return dsc_tok_vocab_find(&s->t->vocab, text, part[0].n + part[1].n);
}

/* The parts of a token that stays, and theirs: merges are in the order in which they are made. */
static enum dsc_status keep_parts(struct shrink *s)
{
    const json_t *merges = json_object_get(s->model, "merges");

    for (size_t i = json_array_size(merges); i-- > 0;) {
        struct tok_str part[2];
        int32_t id;

        if (!parts_of(json_array_get(merges, i), part))
            return dsc_fail(s->err, DSC_E_SCHEMA, "merge %zu is not a pair of tokens", i);
        id = merged(s, part);
        if (id == TOK_NONE)
            return dsc_fail(s->err, DSC_E_UNSUPPORTED, "merge %zu makes no token of its parts", i);
        if (!s->keep[id])
            continue;
        keep_token(s, part[0].s, part[0].n);
        keep_token(s, part[1].s, part[1].n);
    }
    return DSC_OK;
}

/* The unknown piece is scored by the least score of all. */
static void keep_least(struct shrink *s)
{
    const json_t *vocab = json_object_get(s->model, "vocab"), *item;
    size_t i, at = 0;
    double least = 0;

    json_array_foreach(vocab, i, item)
    {
        const double score = json_number_value(json_array_get(item, 1));

        if (i == 0 || score < least) {
            least = score;
            at = i;
        }
    }
    if (is_id(s, (json_int_t)at))
        s->keep[at] = true;
}

static bool is_text(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));

    return text && text[0];
}

static void keep_in_post(struct shrink *s, const json_t *post);

static enum dsc_status choose(struct shrink *s)
{
    const bool is_bpe = json_object_get(s->model, "merges") != NULL;

    if (is_bpe &&
        (is_text(s->model, "continuing_subword_prefix") || is_text(s->model, "end_of_word_suffix")))
        return dsc_fail(s->err, DSC_E_UNSUPPORTED,
                        "a BPE tokenizer with a prefix or suffix of words is not made smaller");
    keep_special(s);
    keep_in_post(s, json_object_get(s->root, "post_processor"));
    keep_smallest(s);
    if (json_is_array(json_object_get(s->model, "vocab")))
        keep_least(s);
    return is_bpe ? keep_parts(s) : DSC_OK;
}

/* ---- ids in the post-processor: visited twice, to keep and to renumber ---- */

static void visit_id(struct shrink *s, json_t *id, bool renumbers)
{
    const json_int_t v = json_integer_value(id);

    if (!json_is_integer(id) || !is_id(s, v))
        return;
    if (renumbers)
        json_integer_set(id, s->new_id[v]);
    else
        s->keep[v] = true;
}

static void visit_post(struct shrink *s, json_t *post, bool renumbers)
{
    json_t *item, *id;
    const char *key;
    size_t i;

    visit_id(s, json_array_get(json_object_get(post, "sep"), 1), renumbers);
    visit_id(s, json_array_get(json_object_get(post, "cls"), 1), renumbers);
    json_object_foreach(json_object_get(post, "special_tokens"), key, item)
        json_array_foreach(json_object_get(item, "ids"), i, id) visit_id(s, id, renumbers);
    json_array_foreach(json_object_get(post, "processors"), i, item) visit_post(s, item, renumbers);
}

static void keep_in_post(struct shrink *s, const json_t *post)
{
    visit_post(s, (json_t *)post, false);
}

/* ---- the new text ---- */

static enum dsc_status shrink_vocab(struct shrink *s)
{
    json_t *old = json_object_get(s->model, "vocab"), *item;
    json_t *made = json_is_array(old) ? json_array() : json_object();
    json_t *unk = json_object_get(s->model, "unk_id");
    const char *word;
    bool is_ok = made != NULL;
    size_t i;

    json_object_foreach(old, word, item)
    {
        const json_int_t id = json_integer_value(item);

        if (is_ok && is_id(s, id) && s->keep[id])
            is_ok = json_object_set_new(made, word, json_integer(s->new_id[id])) == 0;
    }
    json_array_foreach(old, i, item) if (is_ok && is_id(s, (json_int_t)i) && s->keep[i]) is_ok =
        json_array_append(made, item) == 0;
    visit_id(s, unk, true);
    if (!is_ok || json_object_set(s->model, "vocab", made) != 0) {
        json_decref(made);
        return dsc_fail(s->err, DSC_E_MEMORY, "no memory for the vocabulary");
    }
    json_decref(made);
    return DSC_OK;
}

static enum dsc_status shrink_merges(struct shrink *s)
{
    const json_t *old = json_object_get(s->model, "merges");
    json_t *made = json_array(), *item;
    bool is_ok = made != NULL;
    size_t i;

    json_array_foreach(old, i, item)
    {
        struct tok_str part[2];
        int32_t id[3];

        (void)parts_of(item, part); /* keep_parts has seen that it can */
        id[0] = dsc_tok_vocab_find(&s->t->vocab, part[0].s, part[0].n);
        id[1] = dsc_tok_vocab_find(&s->t->vocab, part[1].s, part[1].n);
        id[2] = merged(s, part);
        if (is_ok && s->keep[id[0]] && s->keep[id[1]] && s->keep[id[2]])
            is_ok = json_array_append(made, item) == 0;
    }
    is_ok = is_ok && json_object_set(s->model, "merges", made) == 0;
    json_decref(made);
    return is_ok ? DSC_OK : dsc_fail(s->err, DSC_E_MEMORY, "no memory for the merges");
}

static enum dsc_status rewrite(struct shrink *s)
{
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(s->root, "added_tokens"), i, item)
        visit_id(s, json_object_get(item, "id"), true);
    visit_post(s, json_object_get(s->root, "post_processor"), true);
    visit_id(s, json_object_get(json_object_get(s->root, "padding"), "pad_id"), true);
    if (json_object_get(s->model, "merges"))
        DSC_TRY(shrink_merges(s));
    return shrink_vocab(s);
}

static enum dsc_status reopen(struct shrink *s, struct dsc_tok **small)
{
    char *text = json_dumps(s->root, JSON_COMPACT);
    enum dsc_status st;

    if (!text)
        return dsc_fail(s->err, DSC_E_MEMORY, "no memory for the tokenizer");
    st = dsc_tok_open_json(small, text, strlen(text), NULL, 0, s->err);
    dsc_tok_json_free(text);
    return st;
}

enum dsc_status dsc_tok_shrink(const struct dsc_tok *tok, const bool *is_used, int32_t *new_id,
                               int32_t *n_kept, struct dsc_tok **small, struct dsc_err *err)
{
    struct dsc_err own = {0};
    struct shrink s = {.t = tok, .new_id = new_id, .err = err ? err : &own};
    enum dsc_status st;

    *small = NULL;
    *n_kept = 0;
    s.keep = dsc_heap_alloc((size_t)tok->n_ids + 1, sizeof *s.keep, s.err);
    if (!s.keep)
        return DSC_E_MEMORY;
    memcpy(s.keep, is_used, (size_t)tok->n_ids * sizeof *s.keep);
    DSC_TRY_OUT(st, dsc_tok_json_load(&s.root, tok->json.s, tok->json.n, s.err));
    s.model = json_object_get(s.root, "model");
    DSC_TRY_OUT(st, choose(&s));
    for (int32_t id = 0; id < tok->n_ids; id++)
        new_id[id] = s.keep[id] && dsc_tok_token(tok, id, NULL) ? (*n_kept)++ : TOK_NONE;
    DSC_TRY_OUT(st, rewrite(&s));
    st = reopen(&s, small);
out:
    json_decref(s.root);
    dsc_heap_free(s.keep);
    return st;
}
