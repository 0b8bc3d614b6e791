/*
 * Unigram: of all ways to cut a text into tokens, the one with the greatest sum of scores; a
 * character without a token of its own may be cut as unknown, at a price. Kudo 2018,
 * arXiv:1804.10959.
 */
#include "tok.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

static const double unk_penalty = 10.0; /* below the worst score of the vocabulary */

struct unigram {
    double *score; /* by id */
    struct tok_trie trie;
    double unk_score;
    int32_t unk_id; /* TOK_NONE: there is none */
    int32_t byte_id[256];
    bool has_fallback;
};

/* The best way to a place in the text: where its last token starts. */
struct node {
    double score;
    size_t start; /* SIZE_MAX: not reached */
    int32_t id;
};

static const char what[] = "model Unigram";

static int compare_words(const void *a, const void *b)
{
    const struct tok_str *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->s, y->s, n);

    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* Nodes of a trie of the words: in order, each adds what it does not share with the last one. */
static enum dsc_status count_nodes(const struct tok_vocab *v, size_t *n_nodes, struct dsc_err *err)
{
    size_t n = (size_t)v->n_ids;
    struct tok_str *word = dsc_heap_alloc(n, sizeof *word, err);

    if (!word)
        return DSC_E_MEMORY;
    memcpy(word, v->words, n * sizeof *word);
    qsort(word, n, sizeof *word, compare_words);
    *n_nodes = word[0].n;
    for (size_t i = 1; i < n; i++) {
        size_t same = 0, max = word[i].n < word[i - 1].n ? word[i].n : word[i - 1].n;

        while (same < max && word[i].s[same] == word[i - 1].s[same])
            same++;
        *n_nodes += word[i].n - same;
    }
    dsc_heap_free(word);
    return DSC_OK;
}

static enum dsc_status parse_vocab(struct dsc_tok *t, struct unigram *u, const json_t *list,
                                   struct dsc_err *err)
{
    size_t n = json_array_size(list), n_nodes, i;
    double lowest = DBL_MAX;
    const json_t *v;

    if (!n)
        return dsc_fail(err, DSC_E_SCHEMA, "%s: vocab is not a list of tokens", what);
    if (n > TOK_MAX_ID)
        return dsc_fail(err, DSC_E_LIMIT, "%s: %zu tokens, limit %d", what, n, TOK_MAX_ID);
    DSC_TRY(dsc_tok_vocab_init(&t->vocab, &t->arena, n, err));
    t->vocab.last_wins = true; /* as in the oracle, which reads lists so and objects not */
    DSC_NEW(u->score, &t->arena, n, err);
    json_array_foreach(list, i, v)
    {
        const json_t *text = json_array_get(v, 0), *score = json_array_get(v, 1);
        struct tok_str word = {json_string_value(text), json_string_length(text)};

        if (json_array_size(v) != 2 || !word.s || !json_is_number(score))
            return dsc_fail(err, DSC_E_SCHEMA, "%s: token %zu is not [text, score]", what, i);
        DSC_TRY(dsc_tok_vocab_add(&t->vocab, &t->arena, word, (int64_t)i, err));
        u->score[i] = json_number_value(score);
        lowest = u->score[i] < lowest ? u->score[i] : lowest;
    }
    u->unk_score = lowest - unk_penalty;
    DSC_TRY(count_nodes(&t->vocab, &n_nodes, err));
    DSC_TRY(dsc_tok_trie_init(&u->trie, &t->arena, n_nodes, err));
    for (i = 0; i < n; i++)
        dsc_tok_trie_add(&u->trie, t->vocab.words[i], (int32_t)i);
    return DSC_OK;
}

static enum dsc_status parse(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    static const char *const keys[] = {"type", "unk_id", "vocab", "byte_fallback", NULL};
    const json_t *unk = json_object_get(j, "unk_id");
    struct unigram *u;
    int64_t id = TOK_NONE;

    DSC_NEW(u, &t->arena, 1, err);
    t->model_state = u;
    DSC_TRY(dsc_tok_json_keys(j, what, keys, err));
    DSC_TRY(parse_vocab(t, u, json_object_get(j, "vocab"), err));
    DSC_TRY(dsc_tok_json_flag(j, what, "byte_fallback", false, &u->has_fallback, err));
    if (unk && !json_is_null(unk))
        DSC_TRY(dsc_tok_json_int(j, what, "unk_id", 0, t->vocab.n_ids - 1, &id, err));
    t->unk_id = u->unk_id = (int32_t)id;
    dsc_tok_byte_ids(&t->vocab, u->byte_id);
    return DSC_OK;
}

static void reach(struct node *to, double score, size_t start, int32_t id)
{
    if (to->start == SIZE_MAX || score > to->score)
        *to = (struct node){score, start, id};
}

/* All tokens that start at `at`, and the unknown one where no token is just the character. */
static enum dsc_status step(const struct unigram *u, const char *s, size_t n, size_t at,
                            struct node *best, struct dsc_err *err)
{
    size_t n_char = uni_n_bytes(s[at]);
    double so_far = best[at].score;
    bool has_single = false;
    uint32_t state = 0;

    for (size_t end = at; end < n;) {
        int32_t id;

        state = tok_trie_step(&u->trie, state, (unsigned char)s[end++]);
        if (!state)
            break;
        id = u->trie.value[state];
        if (id < 0)
            continue;
        reach(&best[end], u->score[id] + so_far, at, id);
        has_single |= end - at == n_char;
    }
    if (has_single)
        return DSC_OK;
    if (u->unk_id < 0)
        return dsc_fail(err, DSC_E_INCONSISTENT,
                        "the text has an unknown character, and the tokenizer no unknown token");
    reach(&best[at + n_char], u->unk_score + so_far, at, u->unk_id);
    return DSC_OK;
}

/* An unknown piece: a token after all, else its bytes when all of them are tokens, else unknown. */
static void put_unknown(const struct dsc_tok *t, const struct unigram *u, const char *word,
                        size_t lo, size_t hi, struct tok_ids *ids)
{
    const char *s = word + lo;
    const size_t n = hi - lo;
    int32_t id = dsc_tok_vocab_find(&t->vocab, s, n);
    bool has_all = id < 0 && u->has_fallback;

    for (size_t i = 0; has_all && i < n; i++)
        has_all = u->byte_id[(unsigned char)s[i]] >= 0;
    for (size_t i = 0; has_all && i < n; i++)
        dsc_tok_push_at(ids, u->byte_id[(unsigned char)s[i]], lo, hi);
    if (!has_all)
        dsc_tok_push_at(ids, id >= 0 ? id : u->unk_id, lo, hi);
}

/* Turn the path round, so that `start` of a node is where its token ends; 0 is the first. */
static void turn_round(struct node *best, size_t n)
{
    size_t end = n;

    for (size_t after = SIZE_MAX; end > 0;) {
        size_t start = best[end].start;

        best[end].start = after; /* the end of the token behind this one */
        after = end;
        end = start;
    }
}

static enum dsc_status encode(const struct dsc_tok *t, const char *s, size_t n,
                              struct dsc_tok_scratch *x, struct dsc_err *err)
{
    const struct unigram *u = t->model_state;
    struct node *best = dsc_tok_memory(x, n + 1, sizeof *best, err);
    size_t first = 0, unknown_from = SIZE_MAX;

    if (!best)
        return DSC_E_MEMORY;
    for (size_t i = 0; i <= n; i++)
        best[i] = (struct node){0.0, SIZE_MAX, TOK_NONE};
    for (size_t at = 0; at < n; at += uni_n_bytes(s[at]))
        DSC_TRY(step(u, s, n, at, best, err));
    for (size_t end = n; end > 0; end = best[end].start)
        first = end;
    turn_round(best, n);
    /* Unknown pieces that follow each other are one. */
    for (size_t start = 0, end = first; end != SIZE_MAX && n; start = end, end = best[end].start) {
        bool is_unknown = u->unk_id >= 0 && best[end].id == u->unk_id;

        if (is_unknown && unknown_from == SIZE_MAX)
            unknown_from = start;
        if (!is_unknown && unknown_from != SIZE_MAX) {
            put_unknown(t, u, s, unknown_from, start, &x->ids);
            unknown_from = SIZE_MAX;
        }
        if (!is_unknown)
            dsc_tok_push_at(&x->ids, best[end].id, start, end);
    }
    if (unknown_from != SIZE_MAX)
        put_unknown(t, u, s, unknown_from, n, &x->ids);
    return DSC_OK;
}

const struct tok_model_kind dsc_tok_model_unigram = {"Unigram", parse, encode};
