/*
 * Integer execution: Gemm or MatMul of a dequantized activation and a dequantized constant weight
 * becomes dsc.QGemm on the codes. The bias's DequantizeLinear is computed here, once: it stays
 * float in the epilogue, with the values that the file says.
 */
#include "device/prim.h"
#include "dsc/quant.h"
#include "kernels/kernels.h"
#include "passes/codebook.h"
#include "passes/quant_spelling.h"

#include <stdio.h>

struct match {
    struct dsc_node *node, *x; /* x: the DequantizeLinear of the activation */
    struct dsc_node *rows;     /* the Reshape between x and node, or NULL */
    struct dsc_int_weight w;
    struct dsc_int_bias bias;
};

static bool match_node(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    const struct dsc_tensor *s, *z;

    *m = (struct match){.node = n};
    if (!dsc_match_int_weight(g, n, &m->w) || m->w.code->dim[m->w.is_trans] > DSC_QGEMM_K_MAX)
        return false;
    m->rows = dsc_producer(g, n->in[0]);
    if (!dsc_node_is(m->rows, "", "Reshape"))
        m->rows = NULL;
    m->x = dsc_producer(g, m->rows ? m->rows->in[0] : n->in[0]);
    if (!dsc_node_is(m->x, "", "DequantizeLinear") || !dsc_node_has_in(m->x, 2))
        return false;
    s = dsc_constant(g, m->x->in[1]);
    z = dsc_constant(g, m->x->in[2]);
    if (!s || !z || dsc_tensor_n_elems(s) != 1 || !dsc_is_activation_code(z->dtype))
        return false;
    return !dsc_node_has_in(n, 2) ||
           dsc_match_int_bias(g, n->in[2], m->w.code->dim[m->w.is_trans ? 0 : 1], &m->bias);
}

static enum dsc_status lower_node(struct dsc_graph *g, const struct match *m, struct dsc_err *err)
{
    char name[300];
    int in[7], out;
    struct dsc_node *n;

    in[0] = m->x->in[0];
    if (m->rows) {
        snprintf(name, sizeof name, "%s/rows", m->node->name);
        DSC_TRY(dsc_add_node(g, "", "Reshape", name, 2, (int[]){in[0], m->rows->in[1]}, &in[0], &n,
                             err));
        DSC_TRY(dsc_node_set_int(g, n, "allowzero", dsc_node_int(m->rows, "allowzero", 0), err));
    }
    in[3] = m->x->in[1];
    in[4] = m->x->in[2];
    in[5] = m->w.scale_id;
    DSC_TRY(dsc_add_packed(g, m->node->name, m->w.code, m->w.is_trans, &in[1], &in[2], err));
    if (m->bias.value)
        DSC_TRY(dsc_add_int_bias(g, m->node->name, &m->bias, &in[6], err));
    snprintf(name, sizeof name, "%s/int", m->node->name);
    DSC_TRY(dsc_add_node(g, "dsc", "QGemm", name, m->bias.value ? 7 : 6, in, &out, &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "k", m->w.code->dim[m->w.is_trans], err));
    dsc_graph_replace_uses(g, m->node->out[0], out);
    dsc_graph_remove_node(m->node);
    return DSC_OK;
}

enum dsc_status dsc_quant_lower(struct dsc_graph *g, int *n_lowered, struct dsc_err *err)
{
    int n_nodes, n_found = 0;

    DSC_TRY(dsc_quant_unpack(g, false, NULL, NULL, err));
    n_nodes = g->n_nodes;
    for (int i = 0; i < n_nodes; i++) {
        struct match m;

        if (!g->nodes[i]->op || !match_node(g, g->nodes[i], &m))
            continue;
        DSC_TRY(lower_node(g, &m, err));
        n_found++;
    }
    DSC_TRY(dsc_lower_convs(g, &n_found, err));
    DSC_TRY(dsc_lower_dynamic(g, &n_found, err));
    DSC_TRY(dsc_lower_products(g, &n_found, err));
    if (n_lowered)
        *n_lowered = n_found;
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
