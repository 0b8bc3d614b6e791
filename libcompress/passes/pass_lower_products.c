/*
 * Integer execution of products of two activations (attention):
 *
 *   MatMul(DequantizeLinear(a), DequantizeLinear(b))
 *     ->  Mul(Cast(MatMulInteger(a, b, a_zero, b_zero)), a_scale * b_scale)
 *
 * Scales are one per tensor.
 */
#include "passes/quant_spelling.h"

#include <stdio.h>

struct side {
    const struct dsc_node *dq;
    const struct dsc_tensor *scale, *zero;
};

static bool match_side(const struct dsc_graph *g, int value, struct side *s)
{
    s->dq = dsc_producer(g, value);
    if (!dsc_node_is(s->dq, "", "DequantizeLinear") || !dsc_node_has_in(s->dq, 2) ||
        dsc_constant(g, s->dq->in[0]))
        return false;
    s->scale = dsc_constant(g, s->dq->in[1]);
    s->zero = dsc_constant(g, s->dq->in[2]);
    return s->scale && s->zero && s->scale->dtype == DSC_F32 && dsc_tensor_n_elems(s->scale) == 1 &&
           dsc_tensor_n_elems(s->zero) == 1 && dsc_dtype_bits(s->zero->dtype) == 8;
}

/* The zero point as a scalar: MatMulInteger reads a vector as one per row. */
static enum dsc_status add_scalars(struct dsc_graph *g, const char *name, const struct side *a,
                                   const struct side *b, int *za, int *zb, int *scale,
                                   struct dsc_err *err)
{
    const struct side *sides[2] = {a, b};
    int *zeros[2] = {za, zb};
    char text[300];
    struct dsc_tensor t;
    enum dsc_status st = DSC_OK;

    for (int i = 0; i < 2; i++) {
        DSC_TRY(dsc_tensor_new(&t, sides[i]->zero->dtype, 0, NULL, err));
        dsc_tensor_set_i64(&t, 0, dsc_tensor_get_i64(sides[i]->zero, 0));
        snprintf(text, sizeof text, "%s/zero", name);
        st = dsc_add_init(g, text, &t, zeros[i], err);
        dsc_tensor_clear(&t);
        DSC_TRY(st);
    }
    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 0, NULL, err));
    *(float *)t.data =
        (float)dsc_tensor_get_f64(a->scale, 0) * (float)dsc_tensor_get_f64(b->scale, 0);
    snprintf(text, sizeof text, "%s/scales", name);
    st = dsc_add_init(g, text, &t, scale, err);
    dsc_tensor_clear(&t);
    return st;
}

static enum dsc_status lower_node(struct dsc_graph *g, struct dsc_node *n, const struct side *a,
                                  const struct side *b, struct dsc_err *err)
{
    char name[300];
    struct dsc_node *cast;
    int za, zb, scale, sums, y;

    DSC_TRY(add_scalars(g, n->name, a, b, &za, &zb, &scale, err));
    snprintf(name, sizeof name, "%s/integer", n->name);
    DSC_TRY(dsc_add_node(g, "", "MatMulInteger", name, 4,
                         (int[]){a->dq->in[0], b->dq->in[0], za, zb}, &sums, NULL, err));
    snprintf(name, sizeof name, "%s/float", n->name);
    DSC_TRY(dsc_add_node(g, "", "Cast", name, 1, &sums, &y, &cast, err));
    DSC_TRY(dsc_node_set_int(g, cast, "to", dsc_dtype_onnx(DSC_F32), err));
    snprintf(name, sizeof name, "%s/scaled", n->name);
    DSC_TRY(dsc_add_node(g, "", "Mul", name, 2, (int[]){y, scale}, &y, NULL, err));
    dsc_graph_replace_uses(g, n->out[0], y);
    dsc_graph_remove_node(n);
    return DSC_OK;
}

enum dsc_status dsc_lower_products(struct dsc_graph *g, int *n_lowered, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        struct side a, b;

        if (!dsc_node_is(n, "", "MatMul") || !match_side(g, n->in[0], &a) ||
            !match_side(g, n->in[1], &b))
            continue;
        DSC_TRY(lower_node(g, n, &a, &b, err));
        ++*n_lowered;
    }
    return DSC_OK;
}
