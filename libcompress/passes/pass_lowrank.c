/*
 * Layers of low rank: x W -> (x U) V, with a node for each factor, of the kind and orientation that
 * the layer had. The second one is the layer's own node, with its bias and its name.
 */
#include "dsc/lowrank.h"
#include "passes/factors.h"
#include "passes/rewrite.h"

#include <stdio.h>
#include <string.h>

/* A layer of less, as that of a few labels, is not worth what its outputs lose. */
enum { RANK_LEAST = 4 };

/* The one node that reads a value, and by which input; NULL: there are more, or it is an output. */
static struct dsc_node *only_reader(const struct dsc_graph *g, int value, int *k)
{
    if (g->values[value].n_uses != 1 || g->values[value].is_output)
        return NULL;
    for (int i = 0; i < g->n_nodes; i++)
        for (*k = 0; *k < g->nodes[i]->n_in; (*k)++)
            if (g->nodes[i]->in[*k] == value)
                return g->nodes[i];
    return NULL;
}

static const char *const not_second = "it is not the second factor of Gemm or MatMul";

static const char *find_place(const struct dsc_graph *g, struct dsc_lowrank_layer *l)
{
    const struct dsc_tensor *w = &g->values[l->weight].init;
    int k = 0;

    if (w->rank != 2)
        return "it is no matrix";
    l->node = only_reader(g, l->weight, &k);
    if (!l->node)
        return "several nodes read it";
    if (k > 1 || l->node->n_in < 2)
        return not_second;
    l->is_lookup = l->node->op->prune == DSC_PRUNE_GATHER && k == 0;
    l->is_turned = l->node->op->prune == DSC_PRUNE_GEMM && dsc_node_int(l->node, "transB", 0) != 0;
    l->input = l->node->in[1 - k];
    l->n_in = w->dim[l->is_turned ? 1 : 0];
    l->n_out = w->dim[l->is_turned ? 0 : 1];
    if (l->is_lookup)
        return dsc_node_int(l->node, "axis", 0) == 0 ? NULL : "its columns are looked up";
    if (k != 1 || (l->node->op->prune != DSC_PRUNE_GEMM && l->node->op->prune != DSC_PRUNE_MATMUL))
        return not_second;
    if (dsc_node_int(l->node, "transA", 0) != 0)
        return "the other factor is transposed";
    return dsc_constant(g, l->input) ? "the other factor is constant, too" : NULL;
}

static const char *choose_rank(int64_t rank, double sparsity, struct dsc_lowrank_layer *l)
{
    const double n_all = (double)l->n_in * (double)l->n_out;
    const double n_each = (double)l->n_in + (double)l->n_out;

    l->rank = rank > 0 ? rank : (int64_t)((1 - sparsity) * n_all / n_each);
    if (rank == 0 && l->rank < RANK_LEAST)
        return "it is too small: fewer than 4 components would stay; --rank N asks for it";
    return (double)l->rank * n_each < n_all ? NULL : "at this rank two factors are no smaller";
}

enum dsc_status dsc_lowrank_find(const struct dsc_graph *g, const struct dsc_prune_weights *w,
                                 int64_t rank, double sparsity, struct dsc_arena *arena,
                                 struct dsc_lowrank_layers *layers, struct dsc_err *err)
{
    const char *why = NULL, *of = "";

    *layers = (struct dsc_lowrank_layers){0};
    DSC_NEW(layers->items, arena, w->n + 1, err);
    for (int i = 0; i < w->n; i++) {
        struct dsc_lowrank_layer *l = &layers->items[layers->n++];

        *l = (struct dsc_lowrank_layer){.weight = w->items[i].value, .why = w->items[i].why};
        if (!l->why)
            l->why = find_place(g, l);
        if (!l->why)
            l->why = choose_rank(rank, sparsity, l);
        if (l->why && !w->items[i].why && !why) {
            why = l->why;
            of = g->values[l->weight].name;
        }
        layers->n_chosen += l->why == NULL;
    }
    if (layers->n_chosen > 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_UNSUPPORTED, "no layer gets smaller by factors; %.60s: %s", of, why);
    return DSC_E_UNSUPPORTED;
}

/* The node of the first factor, before the layer's own. */
static enum dsc_status put_node(struct dsc_graph *g, struct dsc_lowrank_layer *l, int first,
                                int second, struct dsc_err *err)
{
    struct dsc_node *n = l->node, *before;
    char name[512];
    int narrow, out = n->out[0];

    snprintf(name, sizeof name, "%.480s/%s", n->name, l->is_lookup ? "map" : "narrow");
    DSC_TRY(dsc_add_value(g, name, &narrow, err));
    if (l->is_lookup) { /* what was looked up is narrow, and a product behind it */
        n->out[0] = narrow;
        return dsc_graph_node(g, dsc_op_find("", "MatMul"), name, 2, (int[]){narrow, second}, 1,
                              &out, &before, err);
    }
    DSC_TRY(dsc_graph_node(g, n->op, name, 2, (int[]){l->input, first}, 1, &narrow, &before, err));
    if (l->is_turned)
        DSC_TRY(dsc_node_set_int(g, before, "transB", 1, err));
    dsc_set_in(n, 0, narrow);
    dsc_set_in(n, 1, second);
    return DSC_OK;
}

enum dsc_status dsc_lowrank_put(struct dsc_graph *g, struct dsc_lowrank_layer *l, const float *gram,
                                struct dsc_device *dev, struct dsc_err *err)
{
    struct dsc_factors f;
    char name[512];
    enum dsc_status st;

    DSC_TRY(
        dsc_factor_matrix(dev, &g->values[l->weight].init, l->is_turned, gram, l->rank, &f, err));
    l->kept = f.kept;
    snprintf(name, sizeof name, "%.480s.%s", g->values[l->weight].name,
             l->is_lookup ? "map" : "wide");
    st = dsc_graph_set_init(g, l->weight, &f.first, err);
    if (st == DSC_OK)
        st = dsc_add_init(g, name, &f.second, &l->second, err);
    if (st == DSC_OK)
        st = put_node(g, l, l->weight, l->second, err);
    dsc_factors_clear(&f);
    return st;
}

enum dsc_status dsc_pass_factor_table(struct dsc_graph *g, int ids, int64_t rank,
                                      struct dsc_device *dev, double *kept, struct dsc_err *err)
{
    struct dsc_lowrank_layer l = {.rank = rank};

    for (int i = 0; i < g->n_nodes && !l.node; i++) {
        const struct dsc_node *n = g->nodes[i];
        const struct dsc_tensor *t =
            dsc_node_is(n, "", "Gather") ? dsc_constant(g, n->in[0]) : NULL;

        if (!t || n->in[1] != ids || t->dtype != DSC_F32)
            continue;
        l.weight = n->in[0];
        if (find_place(g, &l) || !l.is_lookup)
            l.node = NULL;
    }
    if (!l.node)
        return dsc_fail(err, DSC_E_UNSUPPORTED,
                        "no float table is looked up by the token ids, and by them alone");
    if (rank < 1 || rank >= l.n_out)
        return dsc_fail(err, DSC_E_USAGE, "a table of width %lld has no factors of width %lld",
                        (long long)l.n_out, (long long)rank);
    DSC_TRY(dsc_lowrank_put(g, &l, NULL, dev, err));
    *kept = l.kept;
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
