/* Tokens counted in rows of data, and the smaller tokenizer of the most used ones. */
#include "tokenuse.h"

#include <inttypes.h>
#include <stdlib.h>

struct counted {
    int64_t n;
    int32_t id;
};

struct counting {
    struct dsc_cmd *cmd;
    const struct dsc_tok *tok;
    const struct dsc_dataset *d;
    struct counted *c; /* [n_ids] most used first */
    bool *is_used;     /* [n_ids] scratch */
    int32_t *new_id;
};

static int by_count(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;

    return x->n != y->n ? (x->n > y->n ? -1 : 1) : x->id - y->id;
}

/* Most used first; those that nothing uses in the order of their ids. */
static enum dsc_status count_tokens(struct counting *s, int32_t n, struct dsc_err *err)
{
    struct dsc_tok_enc enc = {0};
    enum dsc_status st = DSC_OK;

    for (int32_t i = 0; i < n; i++)
        s->c[i].id = i;
    for (size_t i = 0; st == DSC_OK && i < s->d->n; i++) {
        st = dsc_row_encode(s->tok, 0, s->d, (int64_t)i, false, &enc, err);
        for (size_t k = 0; st == DSC_OK && k < enc.n; k++)
            s->c[enc.ids[k]].n++;
        if (st == DSC_OK && i % 1024 == 0)
            st = dsc_cmd_stopped(s->cmd, err);
    }
    dsc_tok_enc_clear(&enc);
    qsort(s->c, (size_t)n, sizeof *s->c, by_count);
    return st;
}

/* The tokenizer with the first `n_first`, and what must stay beside them. */
static enum dsc_status shrink(struct counting *s, int32_t n_first, struct dsc_prune_ids *map,
                              struct dsc_tok **small, struct dsc_err *err)
{
    for (int32_t i = 0; i < map->n; i++)
        s->is_used[s->c[i].id] = i < n_first;
    return dsc_tok_shrink(s->tok, s->is_used, s->new_id, &map->n_kept, small, err);
}

/* How many fit: by halves, since more tokens never make a smaller tokenizer. */
static enum dsc_status find_most(struct counting *s, int64_t n_most, struct dsc_prune_ids *map,
                                 int32_t *n_first, struct dsc_err *err)
{
    int32_t high = map->n;
    struct dsc_tok *small = NULL;

    *n_first = 0;
    while (high - *n_first > 1) {
        const int32_t middle = *n_first + (high - *n_first) / 2;

        DSC_TRY(shrink(s, middle, map, &small, err));
        dsc_tok_close(small);
        *(map->n_kept <= n_most ? n_first : &high) = middle;
    }
    return DSC_OK;
}

enum dsc_status dsc_tokens_by_use(struct dsc_cmd *cmd, const struct dsc_tok *tok,
                                  const struct dsc_dataset *d, int64_t n_most, const char *what,
                                  struct dsc_prune_ids *map, struct dsc_tok **small,
                                  struct dsc_err *err)
{
    struct counting s = {.cmd = cmd, .tok = tok, .d = d};
    int32_t n_first = 0;

    map->n = dsc_tok_info(tok).n_ids;
    DSC_NEW(s.c, cmd->arena, map->n + 1, err);
    DSC_NEW(s.is_used, cmd->arena, map->n + 1, err);
    DSC_NEW(s.new_id, cmd->arena, map->n + 1, err);
    map->new_id = s.new_id;
    DSC_TRY(count_tokens(&s, map->n, err));
    if (n_most > 0)
        DSC_TRY(find_most(&s, n_most, map, &n_first, err));
    while (n_most == 0 && n_first < map->n && s.c[n_first].n > 0)
        n_first++;
    DSC_TRY(shrink(&s, n_first, map, small, err));
    if (n_most == 0 || map->n_kept <= n_most)
        return DSC_OK;
    dsc_tok_close(*small);
    *small = NULL;
    return dsc_fail(err, DSC_E_USAGE,
                    "%s: %" PRId32 " tokens stay in any case: special ones and characters", what,
                    map->n_kept);
}
