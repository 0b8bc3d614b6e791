/* What the passes of quantization share. */
#include "passes/quant_spelling.h"

#include "dsc/quant.h"
#include "kernels/kernels.h"

#include <stdio.h>

bool dsc_is_zero(const struct dsc_tensor *t)
{
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        if (dsc_tensor_get_i64(t, i) != 0)
            return false;
    return true;
}

bool dsc_quant_is_quantized(const struct dsc_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (dsc_node_is(g->nodes[i], "", "DequantizeLinear") ||
            dsc_node_is(g->nodes[i], "", "MatMulInteger") ||
            dsc_node_is(g->nodes[i], "", "QLinearMatMul") ||
            dsc_node_is(g->nodes[i], "com.microsoft", "DynamicQuantizeLSTM") ||
            dsc_node_is(g->nodes[i], "com.microsoft", "MatMulNBits"))
            return true;
    return false;
}

int dsc_activation_of(const struct dsc_graph *g, const struct dsc_node *product)
{
    const bool is_gemm = dsc_node_is(product, "", "Gemm");
    const struct dsc_node *rows = is_gemm ? dsc_rows_of(g, product->in[0]) : NULL;

    return rows ? rows->in[0] : product->in[0];
}

bool dsc_is_planned(const struct dsc_quant_plan *plan, const struct dsc_node *n)
{
    for (int i = 0; i < plan->n_fates; i++)
        if (plan->fates[i].node == n)
            return plan->fates[i].is_quantized;
    return false;
}

bool dsc_match_int_weight(const struct dsc_graph *g, const struct dsc_node *product,
                          struct dsc_int_weight *w)
{
    const struct dsc_node *dq;
    const struct dsc_tensor *zero;
    int64_t axis;

    if (!dsc_is_plain_product(product))
        return false;
    dq = dsc_producer(g, product->in[1]);
    if (!dsc_node_is(dq, "", "DequantizeLinear") || dsc_node_int(dq, "block_size", 0) != 0)
        return false;
    zero = dsc_node_has_in(dq, 2) ? dsc_constant(g, dq->in[2]) : NULL;
    *w = (struct dsc_int_weight){.code = dsc_constant(g, dq->in[0]),
                                 .scale = dsc_constant(g, dq->in[1]),
                                 .code_id = dq->in[0],
                                 .scale_id = dq->in[1],
                                 .is_trans = dsc_node_is(product, "", "Gemm") &&
                                             dsc_node_int(product, "transB", 0) != 0};
    if (!w->code || !w->scale || (w->code->dtype != DSC_I8 && w->code->dtype != DSC_I4) ||
        w->code->rank != 2 || w->scale->dtype != DSC_F32 ||
        (dsc_node_has_in(dq, 2) && (!zero || !dsc_is_zero(zero))))
        return false;
    axis = dsc_node_int(dq, "axis", 1);
    axis = axis < 0 ? axis + 2 : axis;
    return dsc_tensor_n_elems(w->scale) == 1 || axis == (w->is_trans ? 0 : 1);
}

bool dsc_match_int_bias(const struct dsc_graph *g, int value, int64_t n, struct dsc_int_bias *b)
{
    const struct dsc_node *dq = dsc_producer(g, value);

    *b = (struct dsc_int_bias){.value = dsc_constant(g, value), .id = value};
    if (!b->value && dsc_node_is(dq, "", "DequantizeLinear")) {
        b->value = dsc_constant(g, dq->in[0]);
        b->scale = dsc_constant(g, dq->in[1]);
        if (!b->value || b->value->dtype != DSC_I32 || !b->scale || dsc_node_has_in(dq, 2))
            return false;
    }
    return b->value && b->value->rank == 1 && b->value->dim[0] == n &&
           (b->scale || b->value->dtype == DSC_F32);
}

enum dsc_status dsc_add_int_bias(struct dsc_graph *g, const char *node,
                                 const struct dsc_int_bias *b, int *id, struct dsc_err *err)
{
    struct dsc_tensor t;
    char name[300];
    enum dsc_status st;

    *id = b->id;
    if (!b->scale)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 1, b->value->dim, err));
    for (int64_t i = 0; i < t.dim[0]; i++)
        ((float *)t.data)[i] =
            (float)((const int32_t *)b->value->data)[i] *
            (float)dsc_tensor_get_f64(b->scale, dsc_tensor_n_elems(b->scale) == 1 ? 0 : i);
    snprintf(name, sizeof name, "%s/bias", node);
    st = dsc_add_init(g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

/* Codes of 4 bits as those of 8, which the kernels read. */
static enum dsc_status widen(struct dsc_tensor *wide, const struct dsc_tensor *code,
                             struct dsc_err *err)
{
    DSC_TRY(dsc_tensor_new(wide, DSC_I8, code->rank, code->dim, err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(code); i++)
        dsc_tensor_set_i64(wide, i, dsc_tensor_get_i64(code, i));
    return DSC_OK;
}

enum dsc_status dsc_add_packed(struct dsc_graph *g, const char *name, const struct dsc_tensor *code,
                               bool is_trans, int *packed, int *col_sum, struct dsc_err *err)
{
    const int64_t k = code->dim[is_trans ? 1 : 0], n = code->dim[is_trans ? 0 : 1];
    struct dsc_tensor p, c = {0}, wide = {0};
    size_t n_bytes;
    char text[300];
    enum dsc_status st;

    if (!dsc_qgemm_packed_bytes(k, n, &n_bytes))
        return dsc_fail(err, DSC_E_OVERFLOW, "a weight of %lld x %lld", (long long)k, (long long)n);
    DSC_TRY(dsc_tensor_new(&p, DSC_I8, 1, (int64_t[]){(int64_t)n_bytes}, err));
    st = dsc_tensor_new(&c, DSC_I32, 1, &n, err);
    if (st == DSC_OK && code->dtype == DSC_I4)
        st = widen(&wide, code, err);
    if (st == DSC_OK)
        dsc_qgemm_pack(p.data, c.data, code->dtype == DSC_I4 ? wide.data : code->data, false, k, n,
                       is_trans ? 1 : n, is_trans ? k : 1);
    snprintf(text, sizeof text, "%s/packed", name);
    if (st == DSC_OK)
        st = dsc_add_init(g, text, &p, packed, err);
    snprintf(text, sizeof text, "%s/col_sum", name);
    if (st == DSC_OK)
        st = dsc_add_init(g, text, &c, col_sum, err);
    dsc_tensor_clear(&p);
    dsc_tensor_clear(&c);
    dsc_tensor_clear(&wide);
    return st;
}
