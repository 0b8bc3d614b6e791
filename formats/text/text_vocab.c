/* The vocabulary: words by id, ids by word; and the trie over bytes. */
#include "tok.h"

#include <string.h>

static enum dsc_status index_init(struct tok_index *x, struct dsc_arena *a, size_t n_words,
                                  struct dsc_err *err)
{
    uint64_t n = 16;

    while (n < 2 * (uint64_t)n_words)
        n *= 2;
    DSC_NEW(x->slots, a, n, err);
    x->mask = n - 1;
    x->skip = 0;
    return DSC_OK;
}

static uint64_t hash_of(const char *s, size_t n)
{
    uint64_t h = TOK_HASH_START;

    for (size_t i = 0; i < n; i++)
        h = tok_hash_more(h, s[i]);
    return h;
}

/* FNV's low bits are weak for short words: fold the high ones in. */
static uint64_t slot_of(uint64_t h)
{
    return h ^ h >> 29;
}

static struct tok_slot *find_slot(const struct tok_vocab *v, const struct tok_index *x, uint64_t h,
                                  const char *s, size_t n)
{
    uint32_t tag = (uint32_t)(h >> 32);

    for (uint64_t i = slot_of(h) & x->mask; x->slots[i].id1; i = (i + 1) & x->mask) {
        const struct tok_str *w = &v->words[x->slots[i].id1 - 1];

        if (x->slots[i].tag == tag && w->n == n + x->skip && !memcmp(w->s + x->skip, s, n))
            return &x->slots[i];
    }
    return NULL;
}

int32_t dsc_tok_index_find(const struct tok_vocab *v, const struct tok_index *x, uint64_t h,
                           const char *s, size_t n)
{
    const struct tok_slot *slot = find_slot(v, x, h, s, n);

    return slot ? (int32_t)slot->id1 - 1 : TOK_NONE;
}

static void index_add(struct tok_index *x, uint64_t h, int32_t id)
{
    uint64_t i = slot_of(h) & x->mask;

    while (x->slots[i].id1)
        i = (i + 1) & x->mask;
    x->slots[i] = (struct tok_slot){(uint32_t)(h >> 32), (uint32_t)id + 1};
}

enum dsc_status dsc_tok_vocab_init(struct tok_vocab *v, struct dsc_arena *a, size_t n_ids,
                                   struct dsc_err *err)
{
    *v = (struct tok_vocab){.n_ids = (int32_t)n_ids};
    DSC_NEW(v->words, a, n_ids, err);
    return index_init(&v->index, a, n_ids, err);
}

enum dsc_status dsc_tok_vocab_add(struct tok_vocab *v, struct dsc_arena *a, struct tok_str word,
                                  int64_t id, struct dsc_err *err)
{
    uint64_t h = hash_of(word.s, word.n);
    struct tok_slot *slot = find_slot(v, &v->index, h, word.s, word.n);
    struct tok_str *to;

    if (id < 0 || id >= v->n_ids)
        return dsc_fail(err, DSC_E_RANGE, "token '%.64s' has id %lld", word.s, (long long)id);
    to = &v->words[id];
    if (to->s)
        return dsc_fail(err, DSC_E_DUP, "tokens '%.64s' and '%.64s' both have id %lld", to->s,
                        word.s, (long long)id);
    if (slot && !v->last_wins)
        return dsc_fail(err, DSC_E_DUP, "token '%.64s' stands twice in the vocabulary", word.s);
    to->s = dsc_arena_strndup(a, word.s, word.n, err);
    if (!to->s)
        return DSC_E_MEMORY;
    to->n = word.n;
    v->max_bytes = word.n > v->max_bytes ? word.n : v->max_bytes;
    if (slot)
        slot->id1 = (uint32_t)id + 1;
    else
        index_add(&v->index, h, (int32_t)id);
    return DSC_OK;
}

int32_t dsc_tok_vocab_find(const struct tok_vocab *v, const char *s, size_t n)
{
    return dsc_tok_index_find(v, &v->index, hash_of(s, n), s, n);
}

enum dsc_status dsc_tok_index_suffixes(const struct tok_vocab *v, struct tok_str prefix,
                                       struct tok_index *x, struct dsc_arena *a,
                                       struct dsc_err *err)
{
    DSC_TRY(index_init(x, a, (size_t)v->n_ids, err));
    x->skip = prefix.n;
    for (int32_t id = 0; id < v->n_ids; id++) {
        const struct tok_str *w = &v->words[id];

        if (w->s && w->n >= prefix.n && !memcmp(w->s, prefix.s, prefix.n))
            index_add(x, hash_of(w->s + prefix.n, w->n - prefix.n), id);
    }
    return DSC_OK;
}

void dsc_tok_byte_ids(const struct tok_vocab *v, int32_t id[256])
{
    static const char hex[] = "0123456789ABCDEF";

    for (unsigned i = 0; i < 256; i++) {
        const char word[] = {'<', '0', 'x', hex[i >> 4], hex[i & 15], '>'};

        id[i] = dsc_tok_vocab_find(v, word, sizeof word);
    }
}

enum dsc_status dsc_tok_trie_init(struct tok_trie *t, struct dsc_arena *a, size_t n_nodes,
                                  struct dsc_err *err)
{
    uint64_t n = 16;

    if (n_nodes >= UINT32_MAX / 2)
        return dsc_fail(err, DSC_E_LIMIT, "a trie of %zu nodes", n_nodes);
    while (n < 2 * (uint64_t)n_nodes)
        n *= 2;
    *t = (struct tok_trie){.mask = n - 1, .n_nodes = 1, .cap_nodes = (uint32_t)n_nodes + 1};
    DSC_NEW(t->edges, a, n, err);
    DSC_NEW(t->value, a, t->cap_nodes, err);
    for (uint32_t i = 0; i < t->cap_nodes; i++)
        t->value[i] = TOK_NONE;
    return DSC_OK;
}

void dsc_tok_trie_add(struct tok_trie *t, struct tok_str word, int32_t value)
{
    uint32_t node = 0;

    if (word.n)
        t->starts[(unsigned char)word.s[0]] = true;
    for (size_t k = 0; k < word.n; k++) {
        unsigned char byte = (unsigned char)word.s[k];
        uint64_t key = (uint64_t)node << 8 | byte, i;
        uint32_t next = tok_trie_step(t, node, byte);

        if (!next) {
            next = t->n_nodes++;
            for (i = tok_edge_slot(key) & t->mask; t->edges[i].key1; i = (i + 1) & t->mask)
                ;
            t->edges[i] = (struct tok_edge){key + 1, next};
        }
        node = next;
    }
    t->value[node] = value;
}
