/* Biases back to float: DequantizeLinear of a constant int32 becomes the constant it computes. */
#include "dsc/quant.h"
#include "passes/rewrite.h"

#include <stdio.h>

enum dsc_status dsc_quant_float_bias(struct dsc_graph *g, int *n_changed, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    *n_changed = 0;
    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        const struct dsc_tensor *code, *scale;
        struct dsc_tensor b;
        char name[300];
        int id;
        enum dsc_status st;

        if (!dsc_node_is(n, "", "DequantizeLinear") || dsc_node_has_in(n, 2) ||
            !(code = dsc_constant(g, n->in[0])) || !(scale = dsc_constant(g, n->in[1])) ||
            code->dtype != DSC_I32 || code->rank != 1)
            continue;
        DSC_TRY(dsc_tensor_new(&b, DSC_F32, 1, code->dim, err));
        for (int64_t k = 0; k < code->dim[0]; k++)
            ((float *)b.data)[k] =
                (float)((const int32_t *)code->data)[k] *
                (float)dsc_tensor_get_f64(scale, dsc_tensor_n_elems(scale) == 1 ? 0 : k);
        snprintf(name, sizeof name, "%s/value", n->name);
        st = dsc_add_init(g, name, &b, &id, err);
        dsc_tensor_clear(&b);
        DSC_TRY(st);
        dsc_graph_replace_uses(g, n->out[0], id);
        dsc_graph_remove_node(n);
        ++*n_changed;
    }
    return dsc_graph_sort(g, true, err);
}
