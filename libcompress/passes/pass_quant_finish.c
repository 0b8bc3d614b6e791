/*
 * FakeQuantize -> the standard spelling: int8 weights behind DequantizeLinear, QuantizeLinear and
 * DequantizeLinear on activations, int32 biases. A table that is looked up gives int8 rows first,
 * and DequantizeLinear behind the lookup. Codes of few bits are words (pass_quant_codebook.c).
 */
#include "device/prim.h"
#include "dsc/quant.h"
#include "kernels/kernels.h"
#include "passes/codebook.h"
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

static const struct dsc_quantizer *quantizer_of(const struct dsc_node *fq)
{
    return dsc_quantizer_find(dsc_node_string(fq, "quantizer", "lsq"));
}

/* The codes of a constant, and the scale and zero point that go with them. */
struct coded {
    struct dsc_tensor code;
    const struct dsc_codebook *book; /* NULL: the codes are a tensor of their own type */
    int scale, zero;
};

/* Round half to even of w / scale, in float as QuantizeLinear does. */
static enum dsc_status code_by_scale(const struct dsc_graph *g, const struct dsc_node *fq,
                                     const struct dsc_tensor *w, int64_t axis, struct coded *c,
                                     struct dsc_err *err)
{
    const struct dsc_tensor *s = dsc_constant(g, fq->in[1]), *z = dsc_constant(g, fq->in[2]);
    const int64_t n = dsc_tensor_n_elems(w), n_scales = dsc_tensor_n_elems(s);
    const int bits = (int)dsc_node_int(fq, "bits", dsc_dtype_bits(z->dtype));
    const bool is_signed = dsc_dtype_kind(z->dtype) == DSC_KIND_SIGNED;
    const float top = ldexpf(1, bits - is_signed) - 1;
    const float low = !is_signed ? 0 : dsc_node_int(fq, "narrow", 0) ? -top : -top - 1;
    const float zero = (float)dsc_tensor_get_f64(z, 0);

    DSC_TRY(dsc_tensor_new(&c->code, z->dtype, w->rank, w->dim, err));
    for (int64_t i = 0; i < n; i++) {
        const float scale = ((const float *)s->data)[slice_of(w, axis, n_scales, i)];
        const float code = rintf(((const float *)w->data)[i] / scale) + zero;

        dsc_tensor_set_i64(&c->code, i, (int64_t)fminf(fmaxf(code, low), top));
    }
    c->scale = fq->in[1];
    c->zero = fq->in[2];
    c->book = bits < dsc_dtype_bits(z->dtype) ? dsc_codebook_of((int)(top - low) + 1) : NULL;
    return DSC_OK;
}

/* Signs: scales [n], for rows of a table [V,1]. */
static enum dsc_status code_by_sign(struct dsc_graph *g, const struct dsc_node *fq, int value,
                                    int axis, bool is_table, struct coded *c, struct dsc_err *err)
{
    const struct dsc_tensor *w = dsc_constant(g, value);
    const struct dsc_quantizer *how = quantizer_of(fq);
    const int64_t dim[2] = {axis < 0 ? 1 : w->dim[axis], 1};
    struct dsc_tensor s;
    char name[300];
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&s, DSC_F32, is_table ? 2 : axis < 0 ? 0 : 1, dim, err));
    st = dsc_quant_signs(w, how, axis, &c->code, s.data, err);
    snprintf(name, sizeof name, "%.280s_scale", g->values[value].name);
    if (st == DSC_OK)
        st = dsc_add_init(g, name, &s, &c->scale, err);
    c->zero = fq->in[2];
    c->book = dsc_codebook_of(how->threshold > 0 ? 3 : 2);
    dsc_tensor_clear(&s);
    if (st != DSC_OK)
        dsc_tensor_clear(&c->code);
    return st;
}

/* Codes, or words of codes, as a new initializer. */
static enum dsc_status put_codes(struct dsc_graph *g, struct coded *c, const char *name, int *id,
                                 struct dsc_err *err)
{
    struct dsc_tensor words;
    enum dsc_status st;

    if (!c->book) {
        st = dsc_add_init(g, name, &c->code, id, err);
        dsc_tensor_clear(&c->code);
        return st;
    }
    st = dsc_codebook_pack(c->book, &c->code, &words, err);
    dsc_tensor_clear(&c->code);
    DSC_TRY(st);
    st = dsc_add_init(g, name, &words, id, err);
    dsc_tensor_clear(&words);
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

/* A table's codes. Tables looked up twice are one: values from first_own on are of this pass. */
static enum dsc_status code_table(struct dsc_graph *g, const struct dsc_node *fq, int table,
                                  int first_own, struct coded *c, int *id, struct dsc_err *err)
{
    const char *own = g->values[table].name;
    char name[300], scale[300];

    *c = (struct coded){.scale = DSC_NO_VALUE, .zero = DSC_NO_VALUE};
    if (quantizer_of(fq)->is_sign)
        DSC_TRY(code_by_sign(g, fq, table, 0, true, c, err));
    else
        DSC_TRY(code_by_scale(g, fq, dsc_constant(g, table), 1, c, err));
    snprintf(name, sizeof name, "%.280s_quantized%s", own, c->book ? DSC_WORDS_SUFFIX : "");
    *id = dsc_graph_find_value(g, name);
    if (*id < first_own)
        return put_codes(g, c, name, id, err);
    snprintf(scale, sizeof scale, "%.280s_scale", own);
    if (quantizer_of(fq)->is_sign)
        c->scale = dsc_graph_find_value(g, scale);
    dsc_tensor_clear(&c->code);
    return DSC_OK;
}

/* Rows of signs times their scales: DequantizeLinear takes no scales that are looked up
 * everywhere. */
static enum dsc_status scale_rows(struct dsc_graph *g, const struct dsc_node *fq,
                                  const struct dsc_node *lookup, int code, int scale, int *out,
                                  struct dsc_err *err)
{
    struct dsc_node *n;
    char name[300];
    int in[2];

    snprintf(name, sizeof name, "%.280s/float", fq->name);
    DSC_TRY(dsc_add_node(g, "", "Cast", name, 1, &code, &in[0], &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "to", dsc_dtype_onnx(DSC_F32), err));
    snprintf(name, sizeof name, "%.280s/scales", lookup->name);
    DSC_TRY(dsc_add_node(g, "", "Gather", name, 2, (int[]){scale, lookup->in[1]}, &in[1], &n, err));
    snprintf(name, sizeof name, "%.280s/dequantize", fq->name);
    return dsc_add_node(g, "", "Mul", name, 2, in, out, &n, err);
}

/* The lookup takes codes, what they stand for comes behind it. */
static enum dsc_status finish_table(struct dsc_graph *g, struct dsc_node *fq,
                                    struct dsc_node *lookup, int first_own, struct dsc_err *err)
{
    const int rank = g->values[lookup->out[0]].type.rank;
    const int64_t n_cols = dsc_constant(g, lookup->in[0])->dim[1];
    struct coded c;
    char name[300];
    int words, code, out;

    DSC_TRY(code_table(g, fq, lookup->in[0], first_own, &c, &words, err));
    if (c.book && (rank < 1 || rank >= DSC_MAX_RANK))
        return dsc_fail(err, DSC_E_UNSUPPORTED, "the rank of the rows of '%s' is not known",
                        lookup->name);
    snprintf(name, sizeof name, "%s/codes", lookup->name);
    DSC_TRY(dsc_add_value(g, name, &code, err));
    lookup->in[0] = words;
    lookup->out[0] = code;
    if (c.book)
        DSC_TRY(dsc_codebook_spell(g, c.book, lookup->name, code, rank, n_cols, &code, err));
    if (quantizer_of(fq)->is_sign)
        DSC_TRY(scale_rows(g, fq, lookup, code, c.scale, &out, err));
    else
        DSC_TRY(add_dequantize(g, fq, "/dequantize", code, c.scale, c.zero, -1, &out, err));
    dsc_graph_replace_uses(g, fq->out[0], out);
    dsc_graph_remove_node(fq);
    return DSC_OK;
}

static enum dsc_status finish_constant(struct dsc_graph *g, struct dsc_node *fq,
                                       struct dsc_err *err)
{
    const bool is_sign = quantizer_of(fq)->is_sign;
    const int64_t axis = dsc_node_int(fq, "axis", is_sign ? -1 : 1);
    const struct dsc_tensor *w = dsc_constant(g, fq->in[0]);
    const char *own = g->values[fq->in[0]].name;
    struct coded c = {.scale = DSC_NO_VALUE, .zero = DSC_NO_VALUE};
    char name[300];
    int code, out;

    if (is_sign)
        DSC_TRY(code_by_sign(g, fq, fq->in[0], (int)axis, false, &c, err));
    else
        DSC_TRY(code_by_scale(g, fq, w, axis, &c, err));
    snprintf(name, sizeof name, "%.280s_quantized%s", own, c.book ? DSC_WORDS_SUFFIX : "");
    DSC_TRY(put_codes(g, &c, name, &code, err));
    if (c.book)
        DSC_TRY(dsc_codebook_spell(g, c.book, own, code, 2, w->dim[1], &code, err));
    DSC_TRY(add_dequantize(g, fq, "/dequantize", code, c.scale, c.zero, axis, &out, err));
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
    const bool is_first = dsc_node_int(gemm, "transB", 0) || dsc_node_is(gemm, "", "Conv");
    const int rank = g->values[w->out[0]].type.rank;
    const int64_t axis = dsc_node_int(w, "axis", 1);

    if (dsc_tensor_n_elems(scale) == 1)
        return true;
    return (axis < 0 ? axis + rank : axis) == !is_first &&
           dsc_tensor_n_elems(scale) == dsc_constant(g, gemm->in[2])->dim[0];
}

/* Bias of a Gemm or a convolution whose other inputs are dequantized: int32 codes, scale sx * sw.
 */
static enum dsc_status finish_bias(struct dsc_graph *g, struct dsc_node *gemm, struct dsc_err *err)
{
    const struct dsc_node *rows =
        dsc_node_is(gemm, "", "Gemm") ? dsc_rows_of(g, gemm->in[0]) : NULL;
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
        if (dsc_node_has_in(g->nodes[i], 1))
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
        if (dsc_node_is(g->nodes[i], "", "Gemm") || g->nodes[i]->op->quant == DSC_QUANT_CONV)
            DSC_TRY(finish_bias(g, g->nodes[i], err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
