/*
 * FakeQuantize -> the standard spelling: int8 weights behind DequantizeLinear, QuantizeLinear and
 * DequantizeLinear on activations, int32 biases. A table that is looked up gives int8 rows first,
 * and DequantizeLinear behind the lookup.
 */
#include "device/prim.h"
#include "dsc/quant.h"
#include "kernels/kernels.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

static bool is_fake(const struct dsc_node *n)
{
    return dsc_node_is(n, "dsc", "FakeQuantize");
}

/* Learned scales as they were simulated. */
static enum dsc_status mend_scale(struct dsc_graph *g, int value, struct dsc_err *err)
{
    const struct dsc_tensor *s = dsc_constant(g, value);
    const int64_t n = s && s->dtype == DSC_F32 ? dsc_tensor_n_elems(s) : 0;
    struct dsc_tensor mended;
    bool is_bad = false;
    enum dsc_status st;

    for (int64_t i = 0; i < n; i++)
        is_bad |= !(((const float *)s->data)[i] >= DSC_FAKE_QUANT_MIN_SCALE);
    if (!is_bad)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&mended, DSC_F32, s->rank, s->dim, err));
    for (int64_t i = 0; i < n; i++)
        ((float *)mended.data)[i] = dsc_usable_scale(((const float *)s->data)[i]);
    st = dsc_graph_set_init(g, value, &mended, err);
    dsc_tensor_clear(&mended);
    return st;
}

static int64_t slice_of(const struct dsc_tensor *w, int64_t axis, int64_t n_scales, int64_t i)
{
    int64_t inner = 1;

    if (n_scales == 1)
        return 0;
    for (int64_t k = axis + 1; k < w->rank; k++)
        inner *= w->dim[k];
    return i / inner % n_scales;
}

/* Codes of a constant: round half to even of w / scale, in float as QuantizeLinear does. */
static enum dsc_status quantize_constant(struct dsc_graph *g, const struct dsc_node *fq, int value,
                                         int64_t axis, int *id, struct dsc_err *err)
{
    const struct dsc_tensor *w = dsc_constant(g, value);
    const struct dsc_tensor *s = dsc_constant(g, fq->in[1]), *z = dsc_constant(g, fq->in[2]);
    const int64_t n = dsc_tensor_n_elems(w), n_scales = dsc_tensor_n_elems(s);
    const bool is_signed = dsc_dtype_kind(z->dtype) == DSC_KIND_SIGNED;
    const float top = ldexpf(1, dsc_dtype_bits(z->dtype) - is_signed) - 1;
    const float low = !is_signed ? 0 : dsc_node_int(fq, "narrow", 0) ? -top : -top - 1;
    const float zero = (float)dsc_tensor_get_f64(z, 0);
    char name[300];
    struct dsc_tensor q;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&q, z->dtype, w->rank, w->dim, err));
    for (int64_t i = 0; i < n; i++) {
        const float scale = ((const float *)s->data)[slice_of(w, axis, n_scales, i)];
        const float code = rintf(((const float *)w->data)[i] / scale) + zero;

        dsc_tensor_set_i64(&q, i, (int64_t)fminf(fmaxf(code, low), top));
    }
    snprintf(name, sizeof name, "%s_quantized", g->values[value].name);
    st = dsc_add_init(g, name, &q, id, err);
    dsc_tensor_clear(&q);
    return st;
}

static enum dsc_status add_dequantize(struct dsc_graph *g, const struct dsc_node *fq,
                                      const char *suffix, int code, int scale, int zero,
                                      int64_t axis, int *out, struct dsc_err *err)
{
    char name[300];
    struct dsc_node *n;

    snprintf(name, sizeof name, "%s%s", fq->name, suffix);
    DSC_TRY(dsc_add_node(g, "", "DequantizeLinear", name, zero == DSC_NO_VALUE ? 2 : 3,
                         (int[]){code, scale, zero}, out, &n, err));
    return g->values[scale].init.rank == 1 ? dsc_node_set_int(g, n, "axis", axis, err) : DSC_OK;
}

/* The lookup whose rows a FakeQuantize takes, or NULL. */
static struct dsc_node *lookup_of(const struct dsc_graph *g, const struct dsc_node *fq)
{
    struct dsc_node *n = dsc_producer(g, fq->in[0]);

    return n && n->op && n->op->quant == DSC_QUANT_TABLE && dsc_constant(g, n->in[0]) ? n : NULL;
}

/*
 * The lookup takes codes, DequantizeLinear comes behind it. Tables looked up twice are one: values
 * from `first_own` on are of this pass.
 */
static enum dsc_status finish_table(struct dsc_graph *g, struct dsc_node *fq,
                                    struct dsc_node *lookup, int first_own, struct dsc_err *err)
{
    char name[300];
    int code, rows, out;

    snprintf(name, sizeof name, "%s_quantized", g->values[lookup->in[0]].name);
    code = dsc_graph_find_value(g, name);
    if (code < first_own)
        DSC_TRY(quantize_constant(g, fq, lookup->in[0], 1, &code, err));
    snprintf(name, sizeof name, "%s/codes", lookup->name);
    DSC_TRY(dsc_add_value(g, name, &rows, err));
    DSC_TRY(add_dequantize(g, fq, "/dequantize", rows, fq->in[1], fq->in[2], -1, &out, err));
    lookup->in[0] = code;
    lookup->out[0] = rows;
    dsc_graph_replace_uses(g, fq->out[0], out);
    dsc_graph_remove_node(fq);
    return DSC_OK;
}

static enum dsc_status finish_constant(struct dsc_graph *g, struct dsc_node *fq,
                                       struct dsc_err *err)
{
    int code, out;

    DSC_TRY(quantize_constant(g, fq, fq->in[0], dsc_node_int(fq, "axis", 1), &code, err));
    DSC_TRY(add_dequantize(g, fq, "/dequantize", code, fq->in[1], fq->in[2],
                           dsc_node_int(fq, "axis", 1), &out, err));
    dsc_graph_replace_uses(g, fq->out[0], out);
    dsc_graph_remove_node(fq);
    return DSC_OK;
}

/* The zero point that a learned offset stands for. */
static enum dsc_status put_zero(struct dsc_graph *g, struct dsc_node *fq, struct dsc_err *err)
{
    const struct dsc_tensor *s = dsc_constant(g, fq->in[1]), *old = dsc_constant(g, fq->in[2]);
    const bool is_signed = dsc_dtype_kind(old->dtype) == DSC_KIND_SIGNED;
    const double high = ldexp(1, dsc_dtype_bits(old->dtype) - is_signed) - 1;
    const struct dsc_fake_quant_spec q = {.low = is_signed ? -high - 1 : 0, .high = high};
    const struct dsc_tensor *offset = dsc_node_has_in(fq, 3) ? dsc_constant(g, fq->in[3]) : NULL;
    struct dsc_tensor zero;
    enum dsc_status st;

    if (!offset)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&zero, old->dtype, old->rank, old->dim, err));
    dsc_tensor_set_i64(
        &zero, 0,
        (int64_t)dsc_fake_quant_zero(&q, dsc_tensor_get_f64(offset, 0), dsc_tensor_get_f64(s, 0)));
    st = dsc_graph_set_init(g, fq->in[2], &zero, err);
    dsc_tensor_clear(&zero);
    return st;
}

static enum dsc_status finish_activation(struct dsc_graph *g, struct dsc_node *fq,
                                         struct dsc_err *err)
{
    char name[300];
    int code, out;

    DSC_TRY(put_zero(g, fq, err));
    snprintf(name, sizeof name, "%s/quantize", fq->name);
    DSC_TRY(dsc_add_node(g, "", "QuantizeLinear", name, 3, fq->in, &code, NULL, err));
    DSC_TRY(add_dequantize(g, fq, "/dequantize", code, fq->in[1], fq->in[2], -1, &out, err));
    dsc_graph_replace_uses(g, fq->out[0], out);
    dsc_graph_remove_node(fq);
    return DSC_OK;
}

/* Codes of scale sx * sw. False: one is outside int32 (a channel of hardly any weight). */
static bool quantize_bias(const struct dsc_tensor *b, const struct dsc_tensor *sx,
                          const struct dsc_tensor *sw, const struct dsc_tensor *code,
                          const struct dsc_tensor *scale)
{
    for (int64_t i = 0; i < b->dim[0]; i++) {
        const float s = (float)dsc_tensor_get_f64(sx, 0) *
                        (float)dsc_tensor_get_f64(sw, dsc_tensor_n_elems(sw) == 1 ? 0 : i);
        const double c = rint((double)((const float *)b->data)[i] / (double)s);

        if (!(fabs(c) <= (double)INT32_MAX))
            return false;
        ((float *)scale->data)[i] = s;
        ((int32_t *)code->data)[i] = (int32_t)c;
    }
    return true;
}

static enum dsc_status replace_bias(struct dsc_graph *g, struct dsc_node *gemm,
                                    const struct dsc_tensor *code, const struct dsc_tensor *scale,
                                    struct dsc_err *err)
{
    const char *bias = g->values[gemm->in[2]].name;
    char name[300];
    int code_id, scale_id;

    snprintf(name, sizeof name, "%s_scale", bias);
    DSC_TRY(dsc_add_init(g, name, scale, &scale_id, err));
    snprintf(name, sizeof name, "%s_quantized", g->values[gemm->in[2]].name);
    DSC_TRY(dsc_add_init(g, name, code, &code_id, err));
    return add_dequantize(g, gemm, "/bias", code_id, scale_id, DSC_NO_VALUE, 0, &gemm->in[2], err);
}

/* One scale, or one for each output. */
static bool is_per_output(const struct dsc_graph *g, const struct dsc_node *gemm,
                          const struct dsc_node *w, const struct dsc_tensor *scale)
{
    const int out_axis = dsc_node_int(gemm, "transB", 0) ? 0 : 1;
    const int64_t axis = dsc_node_int(w, "axis", 1);

    if (dsc_tensor_n_elems(scale) == 1)
        return true;
    return (axis < 0 ? axis + 2 : axis) == out_axis &&
           dsc_tensor_n_elems(scale) == dsc_constant(g, gemm->in[2])->dim[0];
}

/* Bias of a Gemm whose other inputs are dequantized: int32 codes, scale sx * sw. */
static enum dsc_status finish_bias(struct dsc_graph *g, struct dsc_node *gemm, struct dsc_err *err)
{
    const struct dsc_node *rows = dsc_rows_of(g, gemm->in[0]);
    const struct dsc_node *x = dsc_producer(g, rows ? rows->in[0] : gemm->in[0]);
    const struct dsc_node *w = dsc_producer(g, gemm->in[1]);
    const struct dsc_tensor *b, *sx, *sw;
    struct dsc_tensor code, scale;
    enum dsc_status st;

    if (gemm->n_in < 3 || !(b = dsc_constant(g, gemm->in[2])) || b->dtype != DSC_F32 ||
        b->rank != 1 || !dsc_node_is(x, "", "DequantizeLinear") ||
        !dsc_node_is(w, "", "DequantizeLinear"))
        return DSC_OK;
    sx = dsc_constant(g, x->in[1]);
    sw = dsc_constant(g, w->in[1]);
    if (!sx || !sw || dsc_tensor_n_elems(sx) != 1 || !is_per_output(g, gemm, w, sw))
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&code, DSC_I32, 1, b->dim, err));
    st = dsc_tensor_new(&scale, DSC_F32, 1, b->dim, err);
    if (st == DSC_OK && quantize_bias(b, sx, sw, &code, &scale))
        st = replace_bias(g, gemm, &code, &scale, err);
    dsc_tensor_clear(&code);
    dsc_tensor_clear(&scale);
    return st;
}

enum dsc_status dsc_quant_finish(struct dsc_graph *g, const struct dsc_quant_target *target,
                                 struct dsc_err *err)
{
    const int n_nodes = g->n_nodes, first_own = g->n_values;

    for (int i = 0; i < n_nodes; i++) { /* tables first: their codes are known by the name */
        struct dsc_node *lookup;

        if (!is_fake(g->nodes[i]))
            continue;
        DSC_TRY(mend_scale(g, g->nodes[i]->in[1], err));
        lookup = lookup_of(g, g->nodes[i]);
        if (lookup)
            DSC_TRY(finish_table(g, g->nodes[i], lookup, first_own, err));
    }
    for (int i = 0; i < n_nodes; i++)
        if (is_fake(g->nodes[i]))
            DSC_TRY(dsc_constant(g, g->nodes[i]->in[0]) ? finish_constant(g, g->nodes[i], err)
                                                        : finish_activation(g, g->nodes[i], err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    for (int i = 0, n = g->n_nodes; target->has_int_bias && i < n; i++)
        if (dsc_node_is(g->nodes[i], "", "Gemm"))
            DSC_TRY(finish_bias(g, g->nodes[i], err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
