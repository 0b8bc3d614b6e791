/*
 * Integer execution: Gemm or MatMul whose inputs come from DequantizeLinear becomes dsc.QGemm on
 * the codes. The bias's DequantizeLinear is computed here, once: it stays float in the epilogue,
 * with the values that the file says.
 */
#include "dsc/quant.h"
#include "kernels/kernels.h"
#include "passes/rewrite.h"

#include <stdio.h>

struct match {
    struct dsc_node *node, *x;                   /* x: the DequantizeLinear of the activation */
    struct dsc_node *rows;                       /* the Reshape between x and node, or NULL */
    const struct dsc_tensor *w, *w_scale, *bias; /* int8 constant; f32; f32, i32 or NULL */
    const struct dsc_tensor *bias_scale;         /* of an i32 bias */
    bool is_trans;
    int w_scale_id, bias_id;
};

static bool match_weight(const struct dsc_graph *g, int value, struct match *m)
{
    const struct dsc_node *dq = dsc_producer(g, value);
    const struct dsc_tensor *z;
    int64_t axis;

    if (!dsc_node_is(dq, "", "DequantizeLinear") || dsc_node_int(dq, "block_size", 0) != 0)
        return false;
    m->w = dsc_constant(g, dq->in[0]);
    m->w_scale = dsc_constant(g, dq->in[1]);
    m->w_scale_id = dq->in[1];
    z = dsc_node_has_in(dq, 2) ? dsc_constant(g, dq->in[2]) : NULL;
    if (!m->w || !m->w_scale || m->w->dtype != DSC_I8 || m->w->rank != 2 ||
        m->w_scale->dtype != DSC_F32)
        return false;
    for (int64_t i = 0; z && i < dsc_tensor_n_elems(z); i++)
        if (dsc_tensor_get_i64(z, i) != 0)
            return false;
    if (dsc_node_has_in(dq, 2) && !z)
        return false;
    axis = dsc_node_int(dq, "axis", 1);
    axis = axis < 0 ? axis + 2 : axis;
    return dsc_tensor_n_elems(m->w_scale) == 1 || axis == (m->is_trans ? 0 : 1);
}

static bool match_bias(const struct dsc_graph *g, int value, struct match *m)
{
    const struct dsc_node *dq = dsc_producer(g, value);

    m->bias = dsc_constant(g, value);
    m->bias_id = value;
    if (!m->bias && dsc_node_is(dq, "", "DequantizeLinear")) {
        m->bias = dsc_constant(g, dq->in[0]);
        m->bias_scale = dsc_constant(g, dq->in[1]);
        if (!m->bias || m->bias->dtype != DSC_I32 || !m->bias_scale || dsc_node_has_in(dq, 2))
            return false;
    }
    return m->bias && m->bias->rank == 1 && (m->bias_scale || m->bias->dtype == DSC_F32);
}

static bool match_node(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    const bool is_gemm = dsc_node_is(n, "", "Gemm");
    const struct dsc_tensor *s, *z;

    *m = (struct match){.node = n};
    if (!is_gemm && !dsc_node_is(n, "", "MatMul"))
        return false;
    if (is_gemm && (dsc_node_int(n, "transA", 0) || dsc_node_float(n, "alpha", 1) != 1 ||
                    dsc_node_float(n, "beta", 1) != 1))
        return false;
    if (!is_gemm && g->values[n->in[0]].type.rank != 2)
        return false;
    m->rows = dsc_producer(g, n->in[0]);
    if (!dsc_node_is(m->rows, "", "Reshape"))
        m->rows = NULL;
    m->is_trans = is_gemm && dsc_node_int(n, "transB", 0) != 0;
    m->x = dsc_producer(g, m->rows ? m->rows->in[0] : n->in[0]);
    if (!dsc_node_is(m->x, "", "DequantizeLinear") || !dsc_node_has_in(m->x, 2))
        return false;
    s = dsc_constant(g, m->x->in[1]);
    z = dsc_constant(g, m->x->in[2]);
    if (!s || !z || dsc_tensor_n_elems(s) != 1 || (z->dtype != DSC_U8 && z->dtype != DSC_I8))
        return false;
    if (!match_weight(g, n->in[1], m) || m->w->dim[m->is_trans ? 1 : 0] > DSC_QGEMM_K_MAX)
        return false;
    return n->n_in < 3 || match_bias(g, n->in[2], m);
}

static enum dsc_status add_packed(struct dsc_graph *g, const struct match *m, int *packed,
                                  int *col_sum, struct dsc_err *err)
{
    const int64_t k = m->w->dim[m->is_trans ? 1 : 0], n = m->w->dim[m->is_trans ? 0 : 1];
    struct dsc_tensor p, c = {0};
    size_t n_bytes;
    char name[300];
    enum dsc_status st;

    if (!dsc_qgemm_packed_bytes(k, n, &n_bytes))
        return dsc_fail(err, DSC_E_OVERFLOW, "a weight of %lld x %lld", (long long)k, (long long)n);
    DSC_TRY(dsc_tensor_new(&p, DSC_I8, 1, (int64_t[]){(int64_t)n_bytes}, err));
    st = dsc_tensor_new(&c, DSC_I32, 1, &n, err);
    if (st == DSC_OK)
        dsc_qgemm_pack(p.data, c.data, m->w->data, false, k, n, m->is_trans ? 1 : n,
                       m->is_trans ? k : 1);
    snprintf(name, sizeof name, "%s/packed", m->node->name);
    if (st == DSC_OK)
        st = dsc_add_init(g, name, &p, packed, err);
    snprintf(name, sizeof name, "%s/col_sum", m->node->name);
    if (st == DSC_OK)
        st = dsc_add_init(g, name, &c, col_sum, err);
    dsc_tensor_clear(&p);
    dsc_tensor_clear(&c);
    return st;
}

static enum dsc_status add_bias(struct dsc_graph *g, const struct match *m, int *bias,
                                struct dsc_err *err)
{
    struct dsc_tensor b;
    char name[300];
    enum dsc_status st;

    *bias = m->bias_id;
    if (!m->bias_scale)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&b, DSC_F32, 1, m->bias->dim, err));
    for (int64_t i = 0; i < b.dim[0]; i++)
        ((float *)b.data)[i] = (float)((const int32_t *)m->bias->data)[i] *
                               (float)dsc_tensor_get_f64(
                                   m->bias_scale, dsc_tensor_n_elems(m->bias_scale) == 1 ? 0 : i);
    snprintf(name, sizeof name, "%s/bias", m->node->name);
    st = dsc_add_init(g, name, &b, bias, err);
    dsc_tensor_clear(&b);
    return st;
}

static enum dsc_status lower_node(struct dsc_graph *g, const struct match *m, struct dsc_err *err)
{
    char name[300];
    int in[7], out;
    struct dsc_node *n;

    in[0] = m->x->in[0];
    if (m->rows) {
        snprintf(name, sizeof name, "%s/rows", m->node->name);
        DSC_TRY(dsc_add_node(g, "", "Reshape", name, 2, (int[]){in[0], m->rows->in[1]}, &in[0],
                             NULL, err));
    }
    in[3] = m->x->in[1];
    in[4] = m->x->in[2];
    in[5] = m->w_scale_id;
    DSC_TRY(add_packed(g, m, &in[1], &in[2], err));
    if (m->bias)
        DSC_TRY(add_bias(g, m, &in[6], err));
    snprintf(name, sizeof name, "%s/int", m->node->name);
    DSC_TRY(dsc_add_node(g, "dsc", "QGemm", name, m->bias ? 7 : 6, in, &out, &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "k", m->w->dim[m->is_trans ? 1 : 0], err));
    dsc_graph_replace_uses(g, m->node->out[0], out);
    dsc_graph_remove_node(m->node);
    return DSC_OK;
}

enum dsc_status dsc_quant_lower(struct dsc_graph *g, int *n_lowered, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;
    int n_found = 0;

    for (int i = 0; i < n_nodes; i++) {
        struct match m;

        if (!g->nodes[i]->op || !match_node(g, g->nodes[i], &m))
            continue;
        DSC_TRY(lower_node(g, &m, err));
        n_found++;
    }
    if (n_lowered)
        *n_lowered = n_found;
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
