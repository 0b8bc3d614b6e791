/* Bias correction (Nagel et al. 2019, arXiv:1906.04721): the mean error of a layer's outputs. */
#include "dsc/quant.h"
#include "passes/rewrite.h"

#include <stdio.h>

/* The one Gemm that reads a weight, or what stands for it behind FakeQuantize. */
static struct dsc_node *only_gemm(const struct dsc_graph *g, int weight)
{
    struct dsc_node *found = NULL;
    int value = weight;

    for (int i = 0; i < g->n_nodes; i++)
        if (dsc_node_is(g->nodes[i], "dsc", "FakeQuantize") && g->nodes[i]->in[0] == weight)
            value = g->nodes[i]->out[0];
    if (g->values[weight].n_uses != 1 || g->values[value].n_uses != 1)
        return NULL;
    for (int i = 0; i < g->n_nodes; i++)
        if (dsc_node_is(g->nodes[i], "", "Gemm") && g->nodes[i]->in[1] == value)
            found = g->nodes[i];
    return found;
}

enum dsc_status dsc_quant_shift_bias(struct dsc_graph *g, int weight, const double *excess,
                                     bool *is_done, struct dsc_err *err)
{
    struct dsc_node *n = only_gemm(g, weight);
    const struct dsc_tensor *b = n && dsc_node_has_in(n, 2) ? dsc_constant(g, n->in[2]) : NULL;
    struct dsc_tensor t;
    char name[300];
    int id;
    enum dsc_status st;

    *is_done = b && b->dtype == DSC_F32 && b->rank == 1;
    if (!*is_done)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 1, b->dim, err));
    for (int64_t i = 0; i < b->dim[0]; i++)
        ((float *)t.data)[i] = (float)((double)((const float *)b->data)[i] - excess[i]);
    if (g->values[n->in[2]].n_uses == 1) {
        st = dsc_graph_set_init(g, n->in[2], &t, err);
    } else { /* others keep theirs */
        snprintf(name, sizeof name, "%.280s_corrected", n->name);
        st = dsc_add_init(g, name, &t, &id, err);
        if (st == DSC_OK)
            dsc_set_in(n, 2, id);
    }
    dsc_tensor_clear(&t);
    return st;
}
