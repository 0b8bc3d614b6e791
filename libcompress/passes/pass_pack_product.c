/*
 * Products of f32 with a constant matrix, onto weights that are packed once:
 *
 *   Gemm(x, w, b), MatMul(x, w) [+ b]  ->  dsc.PackedGemm
 *
 * without transA, alpha and beta, b a constant [N] or none. Sums run in another order than the
 * BLAS's, which moves results by some 1e-7 of the largest.
 */
#include "dsc/pass.h"
#include "kernels/kernels.h"
#include "passes/fuse.h"

#include <stdio.h>

struct match {
    struct dsc_node *node;
    const struct dsc_tensor *w;
    bool is_trans;
    int bias; /* value number, or DSC_NO_VALUE */
};

static bool match_product(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    const bool is_gemm = dsc_node_is(n, "", "Gemm");
    size_t n_elems;

    *m = (struct match){.node = n, .bias = DSC_NO_VALUE};
    if (!dsc_is_plain_product(n) || dsc_known_columns(g, n->in[0]) < 0 ||
        g->values[n->in[0]].type.rank < 2)
        return false;
    m->w = dsc_constant(g, n->in[1]);
    if (!m->w || m->w->dtype != DSC_F32 || m->w->rank != 2)
        return false;
    m->is_trans = is_gemm && dsc_node_int(n, "transB", 0) != 0;
    if (is_gemm && dsc_node_has_in(n, 2)) {
        m->bias = n->in[2];
        if (!dsc_constant(g, m->bias) || !dsc_is_row_of(g, m->bias, m->w->dim[!m->is_trans]))
            return false;
    }
    return dsc_sgemm_packed_elems(m->w->dim[m->is_trans], m->w->dim[!m->is_trans], &n_elems);
}

static enum dsc_status add_packed(struct dsc_graph *g, const struct match *m, int *id,
                                  struct dsc_err *err)
{
    const int64_t k = m->w->dim[m->is_trans], n = m->w->dim[!m->is_trans];
    struct dsc_tensor packed;
    size_t n_elems;
    char name[300];
    enum dsc_status st;

    if (!dsc_sgemm_packed_elems(k, n, &n_elems))
        return dsc_fail(err, DSC_E_OVERFLOW, "a weight of %lld x %lld", (long long)k, (long long)n);
    DSC_TRY(dsc_tensor_new(&packed, DSC_F32, 1, (int64_t[]){(int64_t)n_elems}, err));
    dsc_sgemm_pack(packed.data, m->w->data, k, n, m->is_trans ? 1 : n, m->is_trans ? k : 1);
    snprintf(name, sizeof name, "%.280s/packed", m->node->name);
    st = dsc_add_init(g, name, &packed, id, err);
    dsc_tensor_clear(&packed);
    return st;
}

static enum dsc_status pack(struct dsc_graph *g, const struct match *m, struct dsc_err *err)
{
    int in[] = {m->node->in[0], DSC_NO_VALUE, m->bias};
    struct dsc_node *n;
    char name[300];

    DSC_TRY(add_packed(g, m, &in[1], err));
    snprintf(name, sizeof name, "%.280s/product", m->node->name);
    DSC_TRY(
        dsc_graph_node(g, dsc_op_find("dsc", "PackedGemm"), name, 3, in, 1, m->node->out, &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "k", m->w->dim[m->is_trans], err));
    DSC_TRY(dsc_node_set_int(g, n, "n", m->w->dim[!m->is_trans], err));
    dsc_graph_remove_node(m->node);
    return DSC_OK;
}

/* Add of a constant row to a product that nobody else reads. */
static void take_biases(struct dsc_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *add = g->nodes[i];

        for (int k = 0; dsc_node_is(add, "", "Add") && k < 2; k++) {
            struct dsc_node *n = dsc_producer(g, add->in[k]);
            const int bias = dsc_planned_bias(n);

            if (bias < 0 || dsc_node_is(n, "dsc", "QGemm") || dsc_node_is(n, "dsc", "QConv") ||
                g->values[add->in[k]].n_uses != 1 || n->n_in != bias + 1 ||
                dsc_node_has_in(n, bias) || dsc_node_attr(n, "act") ||
                !dsc_constant(g, add->in[1 - k]) ||
                !dsc_is_row_of(g, add->in[1 - k], dsc_node_int(n, "n", -1)))
                continue;
            n->in[bias] = add->in[1 - k];
            n->out[0] = add->out[0];
            dsc_graph_remove_node(add);
        }
    }
}

enum dsc_status dsc_pass_pack_product(struct dsc_graph *g, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct match m;

        if (match_product(g, g->nodes[i], &m))
            DSC_TRY(pack(g, &m, err));
    }
    DSC_TRY(dsc_graph_sort(g, true, err));
    take_biases(g);
    return dsc_graph_sort(g, true, err);
}
