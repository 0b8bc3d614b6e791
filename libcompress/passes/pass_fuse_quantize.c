/*
 * Smoothing and quantization in one pass over memory:
 *
 *   QuantizeLinear(Mul(x, factors [N]))  ->  dsc.ScaleQuantize(x, factors)
 *
 * and what the other fusions of quantization share.
 */
#include "device/prim.h"
#include "passes/fuse.h"

#include <stdio.h>

int64_t dsc_known_columns(const struct dsc_graph *g, int value)
{
    const struct dsc_type *t = value == DSC_NO_VALUE ? NULL : &g->values[value].type;

    return t && t->dtype == DSC_F32 && t->rank > 0 && t->dim[t->rank - 1] >= 0 ? t->dim[t->rank - 1]
                                                                               : -1;
}

bool dsc_is_row_of(const struct dsc_graph *g, int value, int64_t n)
{
    return n >= 0 && dsc_known_columns(g, value) == n && g->values[value].type.rank == 1;
}

static bool is_one_scale(const struct dsc_graph *g, const struct dsc_node *n)
{
    const struct dsc_tensor *scale = dsc_constant(g, n->in[1]), *zero;

    if (!scale || !dsc_node_has_in(n, 2) || dsc_node_int(n, "block_size", 0) != 0)
        return false;
    zero = dsc_constant(g, n->in[2]);
    return zero && scale->dtype == DSC_F32 && scale->rank <= 1 && zero->rank <= 1 &&
           dsc_tensor_n_elems(scale) == 1 && dsc_tensor_n_elems(zero) == 1 &&
           dsc_is_activation_code(zero->dtype);
}

bool dsc_match_codes(const struct dsc_graph *g, struct dsc_node *n, struct dsc_codes *c)
{
    if (dsc_node_is(n, "dsc", "ScaleQuantize")) {
        *c = (struct dsc_codes){n, n->in[0], n->in[1], n->in[2], n->in[3]};
        return true;
    }
    if (!dsc_node_is(n, "", "QuantizeLinear") || !is_one_scale(g, n) ||
        dsc_known_columns(g, n->in[0]) < 0)
        return false;
    *c = (struct dsc_codes){n, n->in[0], DSC_NO_VALUE, n->in[1], n->in[2]};
    return true;
}

/* The Mul by a constant row that makes the quantized value for nobody else. */
static bool match_factors(const struct dsc_graph *g, struct dsc_codes *c)
{
    const struct dsc_node *mul = dsc_producer(g, c->x);
    const int64_t n = dsc_known_columns(g, c->x);

    if (c->mul != DSC_NO_VALUE || !dsc_node_is(mul, "", "Mul") || g->values[c->x].n_uses != 1)
        return false;
    for (int k = 0; k < 2; k++) {
        if (!dsc_constant(g, mul->in[k]) || !dsc_is_row_of(g, mul->in[k], n) ||
            dsc_known_columns(g, mul->in[1 - k]) != n)
            continue;
        c->mul = mul->in[k];
        c->x = mul->in[1 - k];
        return true;
    }
    return false;
}

enum dsc_status dsc_pass_fuse_quantize(struct dsc_graph *g, struct dsc_err *err)
{
    const struct dsc_op *op = dsc_op_find("dsc", "ScaleQuantize");
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_codes c;
        char name[300];

        if (!dsc_match_codes(g, g->nodes[i], &c) || !match_factors(g, &c))
            continue;
        snprintf(name, sizeof name, "%.280s/scaled", c.node->name);
        DSC_TRY(dsc_graph_node(g, op, name, 4, (int[]){c.x, c.mul, c.scale, c.zero}, 1, c.node->out,
                               NULL, err));
        dsc_graph_remove_node(c.node);
    }
    return dsc_graph_sort(g, true, err);
}
