/*
 * Residual sum, layer normalization and quantization in one visit of each row:
 *
 *   QuantizeLinear or dsc.ScaleQuantize(y),  y = LayerNormalization(Add(x, residual))
 *     ->  y, codes = dsc.AddNorm(x, residual)
 *
 * The sum must have no other reader; y may have any. Either of sum and codes may be missing.
 */
#include "passes/fuse.h"

#include <stdio.h>

struct match {
    struct dsc_node *norm;
    int x, residual; /* residual: DSC_NO_VALUE without a sum */
    struct dsc_codes codes;
};

/* Both summands are computed and may have one shape: a stretched constant is no residual. */
static void match_sum(const struct dsc_graph *g, struct match *m)
{
    const struct dsc_node *add = dsc_producer(g, m->x);

    m->residual = DSC_NO_VALUE;
    if (!dsc_node_is(add, "", "Add") || g->values[m->x].n_uses != 1 ||
        dsc_constant(g, add->in[0]) || dsc_constant(g, add->in[1]) ||
        g->values[add->in[0]].type.rank != g->values[add->in[1]].type.rank)
        return;
    m->residual = add->in[1];
    m->x = add->in[0];
}

static void match_quantize(const struct dsc_graph *g, struct match *m)
{
    m->codes.node = NULL;
    for (int i = 0; i < g->n_nodes; i++)
        if (dsc_match_codes(g, g->nodes[i], &m->codes) && m->codes.x == m->norm->out[0])
            return;
    m->codes.node = NULL;
}

static bool match_norm(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    const int64_t n_cols = n->op ? dsc_known_columns(g, n->in[0]) : -1;
    int64_t axis;

    if (!dsc_node_is(n, "", "LayerNormalization") || n_cols < 0)
        return false;
    axis = dsc_node_int(n, "axis", -1);
    if ((axis != -1 && axis != g->values[n->in[0]].type.rank - 1) ||
        !dsc_is_row_of(g, n->in[1], n_cols) ||
        (dsc_node_has_in(n, 2) && !dsc_is_row_of(g, n->in[2], n_cols)))
        return false;
    for (int k = 1; k < n->n_out; k++)
        if (n->out[k] != DSC_NO_VALUE && g->values[n->out[k]].n_uses > 0)
            return false;
    *m = (struct match){.norm = n, .x = n->in[0]};
    match_sum(g, m);
    match_quantize(g, m);
    return m->residual != DSC_NO_VALUE || m->codes.node;
}

static enum dsc_status fuse(struct dsc_graph *g, const struct match *m, struct dsc_err *err)
{
    const struct dsc_codes *c = &m->codes;
    const int in[] = {
        m->x,        m->norm->in[1],
        m->residual, dsc_node_has_in(m->norm, 2) ? m->norm->in[2] : DSC_NO_VALUE,
        c->mul,      c->scale,
        c->zero,
    };
    const int out[] = {m->norm->out[0], c->node ? c->node->out[0] : DSC_NO_VALUE};
    struct dsc_node *n;
    char name[300];

    snprintf(name, sizeof name, "%.280s/fused", m->norm->name);
    DSC_TRY(dsc_graph_node(g, dsc_op_find("dsc", "AddNorm"), name, c->node ? 7 : 4, in,
                           c->node ? 2 : 1, out, &n, err));
    DSC_TRY(dsc_node_set_float(g, n, "epsilon", dsc_node_float(m->norm, "epsilon", 1e-5f), err));
    dsc_graph_remove_node(m->norm);
    if (c->node)
        dsc_graph_remove_node(c->node);
    return DSC_OK;
}

enum dsc_status dsc_pass_fuse_norm(struct dsc_graph *g, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct match m;

        if (match_norm(g, g->nodes[i], &m))
            DSC_TRY(fuse(g, &m, err));
    }
    return dsc_graph_sort(g, true, err);
}
