/* Embedding rows: tables that token ids look up, without the rows of tokens that are gone. */
#include "dsc/op.h"
#include "passes/prune_tie.h"

#include <inttypes.h>
#include <string.h>

struct ids {
    const struct dsc_graph *g;
    const struct dsc_prune_ids *map;
    bool *is_ids;   /* [n_values] */
    bool *is_table; /* [n_values] */
    int *todo, n_todo;
    struct dsc_err *err;
};

static enum dsc_status refuse(const struct ids *s, const struct dsc_node *n, const char *what)
{
    return dsc_fail(s->err, DSC_E_UNSUPPORTED, "%s '%.80s' %s", n->op->onnx, n->name, what);
}

/* Ids that stand in the graph itself, as that of padding, must be what they were. */
static enum dsc_status compare(const struct ids *s, const struct dsc_node *n, int k)
{
    const struct dsc_tensor *with = n->n_in == 2 ? dsc_constant(s->g, n->in[1 - k]) : NULL;

    if (!with)
        return refuse(s, n, "reads the token ids");
    for (int64_t i = 0; i < dsc_tensor_n_elems(with); i++) {
        const int64_t id = dsc_tensor_get_i64(with, i);

        if (id < 0 || id >= s->map->n || s->map->new_id[id] != id)
            return refuse(s, n, "compares with a token id that would change");
    }
    return DSC_OK;
}

static enum dsc_status look_up(struct ids *s, const struct dsc_node *n)
{
    const struct dsc_tensor *table = dsc_constant(s->g, n->in[0]);

    if (!table || table->rank < 1 || dsc_node_int(n, "axis", 0) != 0)
        return refuse(s, n, "looks token ids up in what is no constant");
    if (table->dim[0] < s->map->n)
        return dsc_fail(s->err, DSC_E_INCONSISTENT,
                        "'%s' has %" PRId64 " rows, the tokenizer %" PRId32 " tokens",
                        s->g->values[n->in[0]].name, table->dim[0], s->map->n);
    s->is_table[n->in[0]] = true;
    return DSC_OK;
}

static void add_ids(struct ids *s, int value)
{
    if (s->is_ids[value])
        return;
    s->is_ids[value] = true;
    s->todo[s->n_todo++] = value;
}

static enum dsc_status follow(struct ids *s, const struct dsc_node *n, int k)
{
    if (n->op->prune == DSC_PRUNE_GATHER && k == 1)
        return look_up(s, n);
    if (n->op->prune == DSC_PRUNE_SHAPE)
        return DSC_OK;
    if (strcmp(n->op->onnx, "Equal") == 0)
        return compare(s, n, k);
    if ((n->op->prune == DSC_PRUNE_RESHAPE && k == 0) || strcmp(n->op->onnx, "Cast") == 0 ||
        strcmp(n->op->onnx, "Identity") == 0) {
        add_ids(s, n->out[0]);
        return DSC_OK;
    }
    return refuse(s, n, "reads the token ids");
}

static enum dsc_status find_tables(struct ids *s)
{
    while (s->n_todo > 0) {
        const int value = s->todo[--s->n_todo];

        if (s->g->values[value].is_output)
            return dsc_fail(s->err, DSC_E_UNSUPPORTED, "the token ids are an output, '%s'",
                            s->g->values[value].name);
        for (int i = 0; i < s->g->n_nodes; i++)
            for (int k = 0; k < s->g->nodes[i]->n_in; k++)
                if (s->g->nodes[i]->in[k] == value)
                    DSC_TRY(follow(s, s->g->nodes[i], k));
    }
    return DSC_OK;
}

/* Nobody else may count on the rows: a tied output layer, other indices. */
static enum dsc_status check_table(const struct ids *s, int table)
{
    for (int i = 0; i < s->g->n_nodes; i++) {
        const struct dsc_node *n = s->g->nodes[i];

        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] == table &&
                !(n->op->prune == DSC_PRUNE_GATHER && k == 0 && s->is_ids[n->in[1]]))
                return refuse(s, n, "reads the table of tokens, too");
    }
    return DSC_OK;
}

static enum dsc_status take_rows(struct dsc_graph *g, int table, const struct dsc_prune_ids *map,
                                 struct dsc_err *err)
{
    const struct dsc_tensor *old = &g->values[table].init;
    struct dsc_tensor own;
    int64_t dim[DSC_MAX_RANK], n_row = 1;
    size_t n_bytes;
    enum dsc_status st;

    memcpy(dim, old->dim, sizeof dim);
    for (int i = 1; i < old->rank; i++)
        n_row *= dim[i];
    dim[0] = map->n_kept;
    n_bytes = dsc_dtype_bytes(old->dtype, n_row);
    DSC_TRY(dsc_tensor_new(&own, old->dtype, old->rank, dim, err));
    for (int32_t id = 0; id < map->n; id++)
        if (map->new_id[id] >= 0)
            memcpy((char *)own.data + (size_t)map->new_id[id] * n_bytes,
                   (const char *)old->data + (size_t)id * n_bytes, n_bytes);
    st = dsc_graph_set_init(g, table, &own, err);
    dsc_tensor_clear(&own);
    return st;
}

enum dsc_status dsc_prune_vocab(struct dsc_graph *g, int ids, const struct dsc_prune_ids *map,
                                struct dsc_arena *arena, int **tables, int *n_tables,
                                struct dsc_err *err)
{
    struct ids s = {.g = g, .map = map, .err = err};

    *n_tables = 0;
    DSC_NEW(s.is_ids, arena, g->n_values, err);
    DSC_NEW(s.is_table, arena, g->n_values, err);
    DSC_NEW(s.todo, arena, g->n_values, err);
    DSC_NEW(*tables, arena, g->n_values, err);
    add_ids(&s, ids);
    DSC_TRY(find_tables(&s));
    for (int i = 0; i < g->n_values; i++)
        if (s.is_table[i]) {
            DSC_TRY(check_table(&s, i));
            (*tables)[(*n_tables)++] = i;
        }
    if (*n_tables == 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "no table is looked up by '%s'",
                        g->values[ids].name);
    for (int i = 0; i < *n_tables; i++)
        DSC_TRY(take_rows(g, (*tables)[i], map, err));
    return dsc_graph_verify(g, err);
}
