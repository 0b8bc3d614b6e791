/*
 * Integer execution of convolutions: Conv of a dequantized activation and dequantized constant
 * filters, without groups, becomes dsc.QConv on the codes. The filters are packed with channels
 * last, as patches are unfolded.
 */
#include "kernels/kernels.h"
#include "passes/quant_spelling.h"

#include <stdio.h>

struct match {
    struct dsc_node *node, *x; /* x: the DequantizeLinear of the activation */
    const struct dsc_tensor *code, *scale;
    int scale_id;
    int64_t n_taps, k; /* kernel positions; times channels */
    struct dsc_int_bias bias;
};

static bool match_filters(const struct dsc_graph *g, struct match *m)
{
    const struct dsc_node *dq = dsc_producer(g, m->node->in[1]);
    const struct dsc_tensor *zero;

    if (!dsc_node_is(dq, "", "DequantizeLinear") || dsc_node_int(dq, "block_size", 0) != 0)
        return false;
    m->code = dsc_constant(g, dq->in[0]);
    m->scale = dsc_constant(g, dq->in[1]);
    m->scale_id = dq->in[1];
    zero = dsc_node_has_in(dq, 2) ? dsc_constant(g, dq->in[2]) : NULL;
    if (!m->code || !m->scale || m->code->dtype != DSC_I8 || m->code->rank < 3 ||
        m->scale->dtype != DSC_F32 || (dsc_node_has_in(dq, 2) && (!zero || !dsc_is_zero(zero))) ||
        (dsc_tensor_n_elems(m->scale) != 1 && dsc_node_int(dq, "axis", 1) != 0) ||
        dsc_tensor_n_elems(m->code) == 0)
        return false;
    m->k = dsc_tensor_n_elems(m->code) / m->code->dim[0];
    m->n_taps = m->k / m->code->dim[1];
    return m->k <= DSC_QGEMM_K_MAX;
}

static bool match_node(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    const struct dsc_tensor *s, *z;

    *m = (struct match){.node = n};
    if (!dsc_node_is(n, "", "Conv") || dsc_node_int(n, "group", 1) != 1 || !match_filters(g, m))
        return false;
    m->x = dsc_producer(g, n->in[0]);
    if (!dsc_node_is(m->x, "", "DequantizeLinear") || !dsc_node_has_in(m->x, 2))
        return false;
    s = dsc_constant(g, m->x->in[1]);
    z = dsc_constant(g, m->x->in[2]);
    if (!s || !z || s->dtype != DSC_F32 || dsc_tensor_n_elems(s) != 1 ||
        (z->dtype != DSC_U8 && z->dtype != DSC_I8))
        return false;
    return !dsc_node_has_in(n, 2) || dsc_match_int_bias(g, n->in[2], m->code->dim[0], &m->bias);
}

/* [M, C, taps] -> [M, taps, C], packed. */
static enum dsc_status add_filters(struct dsc_graph *g, const struct match *m, int *packed,
                                   int *col_sum, struct dsc_err *err)
{
    const int64_t n_filters = m->code->dim[0], n_channels = m->code->dim[1];
    const int8_t *from = m->code->data;
    struct dsc_tensor t;
    int8_t *to;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_I8, 2, (int64_t[]){n_filters, m->k}, err));
    to = t.data;
    for (int64_t f = 0; f < n_filters; f++)
        for (int64_t tap = 0; tap < m->n_taps; tap++)
            for (int64_t c = 0; c < n_channels; c++)
                *to++ = from[(f * n_channels + c) * m->n_taps + tap];
    st = dsc_add_packed(g, m->node->name, &t, true, packed, col_sum, err);
    dsc_tensor_clear(&t);
    return st;
}

static enum dsc_status lower_node(struct dsc_graph *g, const struct match *m, struct dsc_err *err)
{
    static const char *const attrs[] = {"strides", "pads", "dilations"};
    const char *pad = dsc_node_string(m->node, "auto_pad", NULL);
    int in[7] = {m->x->in[0], 0, 0, m->x->in[1], m->x->in[2], m->scale_id, 0}, out;
    const int64_t *v;
    struct dsc_node *n;
    char name[300];

    DSC_TRY(add_filters(g, m, &in[1], &in[2], err));
    if (m->bias.value)
        DSC_TRY(dsc_add_int_bias(g, m->node->name, &m->bias, &in[6], err));
    snprintf(name, sizeof name, "%s/int", m->node->name);
    DSC_TRY(dsc_add_node(g, "dsc", "QConv", name, m->bias.value ? 7 : 6, in, &out, &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "k", m->k, err));
    DSC_TRY(dsc_node_set_ints(g, n, "kernel_shape", m->code->dim + 2, m->code->rank - 2, err));
    for (size_t i = 0; i < sizeof attrs / sizeof attrs[0]; i++) {
        const int n_v = dsc_node_ints(m->node, attrs[i], &v);

        if (n_v >= 0)
            DSC_TRY(dsc_node_set_ints(g, n, attrs[i], v, n_v, err));
    }
    if (pad)
        DSC_TRY(dsc_node_set_string(g, n, "auto_pad", pad, err));
    dsc_graph_replace_uses(g, m->node->out[0], out);
    dsc_graph_remove_node(m->node);
    return DSC_OK;
}

enum dsc_status dsc_lower_convs(struct dsc_graph *g, int *n_lowered, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct match m;

        if (!g->nodes[i]->op || !match_node(g, g->nodes[i], &m))
            continue;
        DSC_TRY(lower_node(g, &m, err));
        ++*n_lowered;
    }
    return DSC_OK;
}
