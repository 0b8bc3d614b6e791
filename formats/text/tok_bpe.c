/*
 * Byte-pair encoding: the characters of a word, of which the pair with the lowest rank (then the
 * leftmost one) is merged until no pair has a rank. Sennrich et al. 2016, arXiv:1508.07909.
 */
#include "dsc/checked.h"
#include "tok.h"

#include <string.h>

struct merge {
    uint64_t key1; /* (left << 24 | right) + 1, 0 = free */
    uint32_t rank;
    int32_t id;
};

struct bpe {
    struct merge *merges;
    uint64_t mask;
    struct tok_str unk, prefix, suffix;
    int32_t unk_id;
    int32_t byte_id[256]; /* <0x00> .. <0xFF> */
    bool has_unk, fuses_unk, has_fallback, ignores_merges;
};

/* A linked list in an array; id TOK_NONE = merged into the one before. */
struct symbol {
    int32_t id;
    uint32_t n_bytes;    /* of the word, as the oracle counts them */
    uint32_t prev, next; /* UINT32_MAX = none */
};

struct todo {
    uint32_t rank, at;
    int32_t id;
};

static const char what[] = "model BPE";

static struct merge *find_merge(const struct bpe *b, int32_t left, int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 24 | (uint32_t)right;
    uint64_t i = tok_edge_slot(key) & b->mask;

    while (b->merges[i].key1 && b->merges[i].key1 != key + 1)
        i = (i + 1) & b->mask;
    return &b->merges[i];
}

/* "left right", or ["left", "right"]. */
static enum dsc_status merge_parts(const json_t *m, struct tok_str part[2], size_t rank,
                                   struct dsc_err *err)
{
    const char *s = json_string_value(m), *space;

    if (json_is_array(m) && json_array_size(m) == 2) {
        for (size_t i = 0; i < 2; i++) {
            const json_t *v = json_array_get(m, i);

            part[i] = (struct tok_str){json_string_value(v), json_string_length(v)};
        }
        if (part[0].s && part[1].s)
            return DSC_OK;
    }
    space = s ? strchr(s, ' ') : NULL;
    if (!space || strchr(space + 1, ' ') || strlen(s) != json_string_length(m))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: merge %zu is not a pair of tokens", what, rank);
    part[0] = (struct tok_str){s, (size_t)(space - s)};
    part[1] = (struct tok_str){space + 1, strlen(space + 1)};
    return DSC_OK;
}

/* The token that a merge makes: the continuing prefix of the right part falls away. */
static int32_t merged_id(struct dsc_tok *t, const struct bpe *b, const struct tok_str part[2],
                         struct dsc_bytes *tmp)
{
    size_t skip = part[1].n >= b->prefix.n ? b->prefix.n : 0;

    tmp->n_bytes = 0;
    uni_put(tmp, part[0].s, part[0].n);
    uni_put(tmp, part[1].s + skip, part[1].n - skip);
    return dsc_tok_vocab_find(&t->vocab, (const char *)tmp->data, tmp->n_bytes);
}

static enum dsc_status add_merge(struct dsc_tok *t, struct bpe *b, const json_t *m, size_t rank,
                                 struct dsc_bytes *tmp, struct dsc_err *err)
{
    struct tok_str part[2] = {{0}};
    int32_t id[3];
    struct merge *to;

    DSC_TRY(merge_parts(m, part, rank, err));
    for (int i = 0; i < 2; i++)
        id[i] = dsc_tok_vocab_find(&t->vocab, part[i].s, part[i].n);
    id[2] = merged_id(t, b, part, tmp);
    if (tmp->is_failed)
        return dsc_fail(err, DSC_E_MEMORY, "no memory for merges");
    if (id[0] < 0 || id[1] < 0 || id[2] < 0)
        return dsc_fail(err, DSC_E_INCONSISTENT,
                        "%s: merge %zu ('%.64s' and '%.64s'): %s is not in the vocabulary", what,
                        rank, part[0].s, part[1].s,
                        id[0] < 0   ? "the first"
                        : id[1] < 0 ? "the second"
                                    : "what they make");
    to = find_merge(b, id[0], id[1]);
    if (to->key1)
        return dsc_fail(err, DSC_E_DUP, "%s: merge %zu ('%.64s' and '%.64s') stands twice", what,
                        rank, part[0].s, part[1].s);
    to->key1 = ((uint64_t)(uint32_t)id[0] << 24 | (uint32_t)id[1]) + 1;
    to->rank = (uint32_t)rank;
    to->id = id[2];
    return DSC_OK;
}

static enum dsc_status parse_merges(struct dsc_tok *t, struct bpe *b, const json_t *list,
                                    struct dsc_err *err)
{
    struct dsc_bytes tmp = {0};
    enum dsc_status st = DSC_OK;
    const json_t *m;
    uint64_t n = 16;
    size_t i;

    if (!json_is_array(list))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: merges is not a list", what);
    while (n < 2 * (uint64_t)json_array_size(list))
        n *= 2;
    DSC_NEW(b->merges, &t->arena, n, err);
    b->mask = n - 1;
    json_array_foreach(list, i, m) DSC_TRY_OUT(st, add_merge(t, b, m, i, &tmp, err));
out:
    dsc_bytes_clear(&tmp);
    return st;
}

static enum dsc_status parse_options(struct dsc_tok *t, const json_t *j, struct bpe *b,
                                     struct dsc_err *err)
{
    static const char *const keys[] = {
        "type",     "dropout",       "unk_token",     "continuing_subword_prefix", "merges",
        "fuse_unk", "byte_fallback", "ignore_merges", "end_of_word_suffix",        "vocab",
        NULL};
    const json_t *dropout = json_object_get(j, "dropout");

    DSC_TRY(dsc_tok_json_keys(j, what, keys, err));
    if (dropout && !json_is_null(dropout) && json_number_value(dropout) != 0.0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "%s: dropout other than 0", what);
    DSC_TRY(dsc_tok_json_text(t, j, what, "unk_token", false, &b->unk, err));
    DSC_TRY(dsc_tok_json_text(t, j, what, "continuing_subword_prefix", false, &b->prefix, err));
    DSC_TRY(dsc_tok_json_text(t, j, what, "end_of_word_suffix", false, &b->suffix, err));
    DSC_TRY(dsc_tok_json_flag(j, what, "fuse_unk", false, &b->fuses_unk, err));
    DSC_TRY(dsc_tok_json_flag(j, what, "byte_fallback", false, &b->has_fallback, err));
    DSC_TRY(dsc_tok_json_flag(j, what, "ignore_merges", false, &b->ignores_merges, err));
    b->has_unk = b->unk.s != NULL;
    return DSC_OK;
}

static enum dsc_status parse(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    struct bpe *b;

    DSC_NEW(b, &t->arena, 1, err);
    t->model_state = b;
    DSC_TRY(parse_options(t, j, b, err));
    DSC_TRY(dsc_tok_vocab_parse(t, json_object_get(j, "vocab"), err));
    if (b->has_unk)
        t->unk_id = b->unk_id = dsc_tok_vocab_find(&t->vocab, b->unk.s, b->unk.n);
    dsc_tok_byte_ids(&t->vocab, b->byte_id);
    return parse_merges(t, b, json_object_get(j, "merges"), err);
}

/* The id of a character, with the prefix and suffix that its place in the word asks for. */
static int32_t char_id(const struct dsc_tok *t, const struct bpe *b, const char *s, size_t n,
                       bool is_first, bool is_last, struct dsc_bytes *tmp)
{
    if ((is_first || !b->prefix.n) && (!is_last || !b->suffix.n))
        return dsc_tok_vocab_find(&t->vocab, s, n);
    tmp->n_bytes = 0;
    if (!is_first)
        uni_put(tmp, b->prefix.s, b->prefix.n);
    uni_put(tmp, s, n);
    if (is_last)
        uni_put(tmp, b->suffix.s, b->suffix.n);
    return dsc_tok_vocab_find(&t->vocab, (const char *)tmp->data, tmp->n_bytes);
}

static void add_symbol(struct symbol *sym, uint32_t *n, int32_t id, size_t n_bytes)
{
    /* the first one's prev wraps to none */
    sym[*n] = (struct symbol){id, (uint32_t)n_bytes, *n - 1, *n + 1};
    ++*n;
}

/* Are all bytes of the character tokens? Then they stand for it. */
static bool put_bytes(const struct bpe *b, const char *s, size_t n_bytes, struct symbol *sym,
                      uint32_t *n)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (b->byte_id[(unsigned char)s[i]] < 0)
            return false;
    }
    for (size_t i = 0; i < n_bytes; i++)
        add_symbol(sym, n, b->byte_id[(unsigned char)s[i]], 1);
    return true;
}

/*
 * The characters of a word as symbols. A pending unknown is put when the next known character
 * comes; bytes of a fallback go in front of it, as in the oracle.
 */
static enum dsc_status split_chars(const struct dsc_tok *t, const struct bpe *b, const char *s,
                                   size_t n_bytes, struct dsc_tok_scratch *x, struct symbol *sym,
                                   uint32_t *n, struct dsc_err *err)
{
    bool is_pending = false;
    size_t n_pending = 0;

    for (size_t at = 0, len; at < n_bytes; at += len) {
        int32_t id;

        len = uni_n_bytes(s[at]);
        id = char_id(t, b, s + at, len, at == 0, at + len == n_bytes, &x->work[0]);
        if (id < 0 && b->has_fallback && put_bytes(b, s + at, len, sym, n))
            continue;
        if (id < 0 && !b->has_unk)
            continue;
        if (id < 0 && b->unk_id < 0)
            return dsc_fail(err, DSC_E_INCONSISTENT,
                            "the text has an unknown character, and the unknown token '%.64s' is "
                            "not in the vocabulary",
                            b->unk.s);
        if (is_pending && (id >= 0 || !b->fuses_unk)) {
            add_symbol(sym, n, b->unk_id, n_pending);
            n_pending = 0;
        }
        is_pending = id < 0;
        n_pending = is_pending ? n_pending + len : 0;
        if (id >= 0)
            add_symbol(sym, n, id, len);
    }
    if (is_pending)
        add_symbol(sym, n, b->unk_id, n_pending);
    if (*n)
        sym[*n - 1].next = UINT32_MAX;
    return DSC_OK;
}

static bool is_before(const struct todo *a, const struct todo *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct todo *h, size_t *n, struct todo x)
{
    size_t i = (*n)++;

    for (; i > 0 && is_before(&x, &h[(i - 1) / 2]); i = (i - 1) / 2)
        h[i] = h[(i - 1) / 2];
    h[i] = x;
}

static struct todo heap_pop(struct todo *h, size_t *n)
{
    struct todo top = h[0], x = h[--*n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < *n) {
        if (child + 1 < *n && is_before(&h[child + 1], &h[child]))
            child++;
        if (!is_before(&h[child], &x))
            break;
        h[i] = h[child];
        i = child;
    }
    h[i] = x;
    return top;
}

static void push_pair(const struct bpe *b, const struct symbol *sym, uint32_t at, struct todo *heap,
                      size_t *n_heap)
{
    const struct merge *m = find_merge(b, sym[at].id, sym[sym[at].next].id);

    if (m->key1)
        heap_push(heap, n_heap, (struct todo){m->rank, at, m->id});
}

/* An entry is stale when the pair at its place makes another token by now. */
static bool is_stale(const struct bpe *b, const struct symbol *sym, const struct todo *top)
{
    const struct symbol *s = &sym[top->at];
    const struct merge *m;

    if (s->id < 0 || s->next == UINT32_MAX)
        return true;
    m = find_merge(b, s->id, sym[s->next].id);
    return !m->key1 || m->id != top->id;
}

static void merge_all(const struct bpe *b, struct symbol *sym, uint32_t n, struct todo *heap)
{
    size_t n_heap = 0;

    for (uint32_t i = 0; i + 1 < n; i++)
        push_pair(b, sym, i, heap, &n_heap);
    while (n_heap) {
        struct todo top = heap_pop(heap, &n_heap);
        struct symbol *left = &sym[top.at], *right;

        if (is_stale(b, sym, &top))
            continue;
        right = &sym[left->next];
        left->id = top.id;
        left->n_bytes += right->n_bytes;
        left->next = right->next;
        right->id = TOK_NONE;
        if (left->next != UINT32_MAX) {
            sym[left->next].prev = top.at;
            push_pair(b, sym, top.at, heap, &n_heap);
        }
        if (left->prev != UINT32_MAX)
            push_pair(b, sym, left->prev, heap, &n_heap);
    }
}

static enum dsc_status encode(const struct dsc_tok *t, const char *s, size_t n_bytes,
                              struct dsc_tok_scratch *x, struct dsc_err *err)
{
    const struct bpe *b = t->model_state;
    /* A word of n bytes has at most n symbols, n - 1 pairs, and two more for each merge. */
    const size_t each = sizeof(struct symbol) + 3 * sizeof(struct todo);
    struct symbol *sym;
    uint32_t n = 0;
    size_t at = 0;

    if (b->ignores_merges) {
        int32_t id = dsc_tok_vocab_find(&t->vocab, s, n_bytes);

        if (id >= 0) {
            dsc_tok_push_at(&x->ids, id, 0, n_bytes);
            return DSC_OK;
        }
    }
    if (n_bytes >= UINT32_MAX / 4)
        return dsc_fail(err, DSC_E_LIMIT, "a word of %zu bytes", n_bytes);
    sym = dsc_tok_memory(x, n_bytes + 1, each, err);
    if (!sym)
        return DSC_E_MEMORY;
    DSC_TRY(split_chars(t, b, s, n_bytes, x, sym, &n, err));
    if (x->work[0].is_failed)
        return dsc_fail(err, DSC_E_MEMORY, "no memory to encode a word");
    merge_all(b, sym, n, (struct todo *)(sym + n_bytes + 1));
    for (uint32_t i = 0; i < n; i++) {
        if (sym[i].id < 0)
            continue;
        dsc_tok_push_at(&x->ids, sym[i].id, at, at + sym[i].n_bytes);
        at += sym[i].n_bytes;
    }
    return DSC_OK;
}

const struct tok_model_kind dsc_tok_model_bpe = {"BPE", parse, encode};
