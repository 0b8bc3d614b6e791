/*
 * Filters in codes, which convolutions compute with as floats: dequantized once, not in each run.
 */
#include "dsc/op.h"
#include "passes/fuse.h"
#include "passes/quant_spelling.h"

#include <stdio.h>

/* Convolutions alone read it. */
static bool is_filters(const struct dsc_graph *g, int value)
{
    bool is_read = false;

    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_in; k++) {
            if (g->nodes[i]->in[k] != value)
                continue;
            if (g->nodes[i]->op->quant != DSC_QUANT_CONV)
                return false;
            is_read = true;
        }
    return is_read && !g->values[value].is_output;
}

static enum dsc_status fold(struct dsc_graph *g, struct dsc_node *n, struct dsc_err *err)
{
    const struct dsc_tensor *code = dsc_constant(g, n->in[0]), *scale = dsc_constant(g, n->in[1]);
    const struct dsc_tensor *zero = dsc_node_has_in(n, 2) ? dsc_constant(g, n->in[2]) : NULL;
    struct dsc_tensor w;
    char name[300];
    int id;
    enum dsc_status st;

    DSC_TRY(dsc_dequantize_constant(code, scale, zero, dsc_node_int(n, "axis", 1), &w, err));
    snprintf(name, sizeof name, "%.280s/value", n->name);
    st = dsc_add_init(g, name, &w, &id, err);
    dsc_tensor_clear(&w);
    DSC_TRY(st);
    dsc_graph_replace_uses(g, n->out[0], id);
    dsc_graph_remove_node(n);
    return DSC_OK;
}

enum dsc_status dsc_pass_fold_filters(struct dsc_graph *g, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        const struct dsc_tensor *code, *scale;

        if (!dsc_node_is(n, "", "DequantizeLinear") || !(code = dsc_constant(g, n->in[0])) ||
            dsc_dtype_bits(code->dtype) > 8 || !(scale = dsc_constant(g, n->in[1])) ||
            scale->dtype != DSC_F32 || (dsc_node_has_in(n, 2) && !dsc_constant(g, n->in[2])) ||
            dsc_node_int(n, "block_size", 0) != 0 || !is_filters(g, n->out[0]))
            continue;
        DSC_TRY(fold(g, n, err));
    }
    return dsc_graph_sort(g, true, err);
}
