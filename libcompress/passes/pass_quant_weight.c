/*
 * Weight-only quantization: codes of weights into the graph, in a spelling that the target runs.
 *
 * DequantizeLinear in front of the product (its output is the f32 weight; ONNX opset 21 for blocks
 * and 4 bits), or com.microsoft MatMulNBits in place of the product. The rows of a table: their
 * codes and their scales are looked up, Cast, Mul; this every runtime has, which DequantizeLinear
 * with scales that are computed has not.
 */
#include "dsc/quant.h"
#include "passes/quant_spelling.h"

#include <stdio.h>

enum { NBITS_MIN_BLOCK = 16 };

struct put {
    struct dsc_graph *g;
    const struct dsc_quant_plan *plan;
    const struct dsc_quant_site *site;
    const struct dsc_weight_codes *q;
    struct dsc_err *err;
};

static bool is_trans(const struct dsc_node *n)
{
    return dsc_node_is(n, "", "Gemm") && dsc_node_int(n, "transB", 0) != 0;
}

static enum dsc_status add_own(const struct put *p, const char *suffix, struct dsc_tensor *t,
                               int *id)
{
    char name[300];
    enum dsc_status st;

    snprintf(name, sizeof name, "%.280s%s", p->g->values[p->site->value].name, suffix);
    st = dsc_add_init(p->g, name, t, id, p->err);
    dsc_tensor_clear(t);
    return st;
}

/* A [rows, cols] array of the codes as a matrix of a type, turned where K comes first. */
static enum dsc_status matrix(const struct put *p, enum dsc_dtype dtype, const uint8_t *v,
                              int64_t n_cols, bool is_turned, struct dsc_tensor *t)
{
    const int64_t n_rows = p->q->n_rows;
    const int64_t dim[2] = {is_turned ? n_cols : n_rows, is_turned ? n_rows : n_cols};
    const int shift = dsc_dtype_kind(dtype) == DSC_KIND_SIGNED ? 1 << (p->q->layout.bits - 1) : 0;

    DSC_TRY(dsc_tensor_new(t, dtype, 2, dim, p->err));
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < n_cols; c++)
            dsc_tensor_set_i64(t, is_turned ? c * n_rows + r : r * n_cols + c,
                               v[r * n_cols + c] - shift);
    return DSC_OK;
}

/* One for each row as a vector, or a matrix as the codes stand; a column is [rows, 1]. */
static enum dsc_status scales(const struct put *p, bool is_turned, bool is_column,
                              struct dsc_tensor *t)
{
    const int64_t n_rows = p->q->n_rows, n = p->q->n_groups;
    const int64_t dim[2] = {is_turned ? n : n_rows, is_turned ? n_rows : n};

    if (n == 1 && !is_column)
        DSC_TRY(dsc_tensor_new(t, DSC_F32, 1, &n_rows, p->err));
    else
        DSC_TRY(dsc_tensor_new(t, DSC_F32, 2, dim, p->err));
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < n; c++)
            ((float *)t->data)[is_turned ? c * n_rows + r : r * n + c] = p->q->scale[r * n + c];
    return DSC_OK;
}

static enum dsc_dtype code_type(const struct dsc_weight_codes *q)
{
    if (q->layout.bits == 4)
        return q->zero ? DSC_U4 : DSC_I4;
    return q->zero ? DSC_U8 : DSC_I8;
}

/* The f32 weight by DequantizeLinear, [K,N] (turned) or [N,K]. */
static enum dsc_status add_dequantize(const struct put *p, bool is_turned, int *out)
{
    const struct dsc_weight_codes *q = p->q;
    const enum dsc_dtype dtype = code_type(q);
    struct dsc_tensor t;
    struct dsc_node *n;
    char name[300];
    int in[3];

    DSC_TRY(matrix(p, dtype, q->code, q->n_cols, is_turned, &t));
    DSC_TRY(add_own(p, "_quantized", &t, &in[0]));
    DSC_TRY(scales(p, is_turned, false, &t));
    DSC_TRY(add_own(p, "_scale", &t, &in[1]));
    if (q->zero) {
        DSC_TRY(matrix(p, dtype, q->zero, q->n_groups, is_turned, &t));
        if (q->n_groups == 1) {
            t.rank = 1;
            t.dim[0] = q->n_rows;
        }
        DSC_TRY(add_own(p, "_zero_point", &t, &in[2]));
    }
    snprintf(name, sizeof name, "%.280s/dequantize", p->g->values[p->site->value].name);
    DSC_TRY(dsc_add_node(p->g, "", "DequantizeLinear", name, q->zero ? 3 : 2, in, out, &n, p->err));
    if (q->n_groups == 1)
        return dsc_node_set_int(p->g, n, "axis", is_turned ? 1 : 0, p->err);
    DSC_TRY(dsc_node_set_int(p->g, n, "axis", is_turned ? 0 : 1, p->err));
    return dsc_node_set_int(p->g, n, "block_size", q->layout.group, p->err);
}

/* [N, n] values of 4 or 8 bits as bytes, each row from a byte on, the low half first. */
static enum dsc_status packed(const struct put *p, const uint8_t *v, int64_t n, int rank,
                              const int64_t *dim, struct dsc_tensor *t)
{
    const int bits = p->q->layout.bits;
    const int64_t n_bytes = (n * bits + 7) / 8;
    uint8_t *b;

    DSC_TRY(dsc_tensor_new(t, DSC_U8, rank, dim, p->err));
    b = t->data;
    for (int64_t r = 0; r < p->q->n_rows; r++)
        for (int64_t c = 0; c < n; c++)
            if (bits == 8)
                b[r * n_bytes + c] = v[r * n + c];
            else
                b[r * n_bytes + c / 2] |= (uint8_t)(v[r * n + c] << (c % 2 * 4));
    return DSC_OK;
}

/* B, scales and zero points of MatMulNBits; the last is DSC_NO_VALUE where 8 or 128 is meant. */
static enum dsc_status add_nbits(const struct put *p, int in[3])
{
    const struct dsc_weight_codes *q = p->q;
    const int64_t blob = q->layout.group * q->layout.bits / 8;
    struct dsc_tensor t;

    DSC_TRY(packed(p, q->code, q->n_cols, 3, (int64_t[]){q->n_rows, q->n_groups, blob}, &t));
    DSC_TRY(add_own(p, "_nbits", &t, &in[0]));
    DSC_TRY(scales(p, false, true, &t));
    DSC_TRY(add_own(p, "_scale", &t, &in[1]));
    in[2] = DSC_NO_VALUE;
    if (!q->zero)
        return DSC_OK;
    DSC_TRY(packed(p, q->zero, q->n_groups, 2,
                   (int64_t[]){q->n_rows, (q->n_groups * q->layout.bits + 7) / 8}, &t));
    return add_own(p, "_zero_point", &t, &in[2]);
}

/* Its layout fits MatMulNBits: whole blocks. */
static bool fits_nbits(const struct put *p, const struct dsc_node *n)
{
    const int64_t group = p->q->layout.group;

    return p->plan->target->prefers_nbits && group >= NBITS_MIN_BLOCK &&
           (group & (group - 1)) == 0 && p->q->n_cols % group == 0 &&
           p->g->values[n->in[0]].type.rank >= 2;
}

/* A bias that MatMulNBits can take: one value per column. */
static bool has_plain_bias(const struct put *p, const struct dsc_node *n)
{
    const struct dsc_type *t = dsc_node_has_in(n, 2) ? &p->g->values[n->in[2]].type : NULL;

    return t && t->rank == 1 && t->dim[0] == p->q->n_rows;
}

static enum dsc_status put_nbits(const struct put *p, struct dsc_node *n, const int *codes)
{
    const bool has_bias = has_plain_bias(p, n);
    const int in[6] = {n->in[0], codes[0],     codes[1],
                       codes[2], DSC_NO_VALUE, has_bias ? n->in[2] : DSC_NO_VALUE};
    struct dsc_node *own;
    char name[300];
    int out;

    snprintf(name, sizeof name, "%.280s/nbits", n->name);
    DSC_TRY(dsc_add_node(p->g, "com.microsoft", "MatMulNBits", name,
                         has_bias                   ? 6
                         : codes[2] != DSC_NO_VALUE ? 4
                                                    : 3,
                         in, &out, &own, p->err));
    DSC_TRY(dsc_node_set_int(p->g, own, "K", p->q->n_cols, p->err));
    DSC_TRY(dsc_node_set_int(p->g, own, "N", p->q->n_rows, p->err));
    DSC_TRY(dsc_node_set_int(p->g, own, "bits", p->q->layout.bits, p->err));
    DSC_TRY(dsc_node_set_int(p->g, own, "block_size", p->q->layout.group, p->err));
    /* 1: activations are not rounded */
    DSC_TRY(dsc_node_set_int(p->g, own, "accuracy_level", 1, p->err));
    if (!has_bias && dsc_node_has_in(n, 2)) {
        snprintf(name, sizeof name, "%.280s/bias", n->name);
        DSC_TRY(dsc_add_node(p->g, "", "Add", name, 2, (int[]){out, n->in[2]}, &out, &own, p->err));
    }
    own->out[0] = n->out[0]; /* the layer's output keeps its name */
    dsc_graph_remove_node(n);
    return DSC_OK;
}

static enum dsc_status put_product(const struct put *p)
{
    int turned = DSC_NO_VALUE, plain = DSC_NO_VALUE, nbits[3] = {DSC_NO_VALUE};
    const int n_nodes = p->g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = p->g->nodes[i];

        if (!n->op || n->op->quant != DSC_QUANT_WEIGHT || n->in[1] != p->site->value ||
            !dsc_is_planned(p->plan, n))
            continue;
        if (fits_nbits(p, n)) {
            if (nbits[0] == DSC_NO_VALUE)
                DSC_TRY(add_nbits(p, nbits));
            DSC_TRY(put_nbits(p, n, nbits));
            continue;
        }
        int *w = is_trans(n) ? &plain : &turned;

        if (*w == DSC_NO_VALUE)
            DSC_TRY(add_dequantize(p, !is_trans(n), w));
        dsc_set_in(n, 1, *w);
    }
    return DSC_OK;
}

/* The lookup's output: codes of rows, times their scales. */
static enum dsc_status put_lookup(const struct put *p, struct dsc_node *n, int code, int scale)
{
    struct dsc_graph *g = p->g;
    struct dsc_node *cast, *mul;
    char name[300];
    int rows, factor, real, out;

    snprintf(name, sizeof name, "%.280s/codes", n->name);
    DSC_TRY(dsc_add_node(g, "", "Gather", name, 2, (int[]){code, n->in[1]}, &rows, NULL, p->err));
    snprintf(name, sizeof name, "%.280s/scales", n->name);
    DSC_TRY(
        dsc_add_node(g, "", "Gather", name, 2, (int[]){scale, n->in[1]}, &factor, NULL, p->err));
    snprintf(name, sizeof name, "%.280s/float", n->name);
    DSC_TRY(dsc_add_node(g, "", "Cast", name, 1, &rows, &real, &cast, p->err));
    DSC_TRY(dsc_node_set_int(g, cast, "to", dsc_dtype_onnx(DSC_F32), p->err));
    snprintf(name, sizeof name, "%.280s/dequantize", n->name);
    DSC_TRY(dsc_add_node(g, "", "Mul", name, 2, (int[]){real, factor}, &out, &mul, p->err));
    mul->out[0] = n->out[0];
    dsc_graph_remove_node(n);
    return DSC_OK;
}

static enum dsc_status put_table(const struct put *p)
{
    const bool is_by_row = p->q->n_groups == 1 && code_type(p->q) == DSC_I8;
    const int n_nodes = p->g->n_nodes;
    int code = DSC_NO_VALUE, scale = DSC_NO_VALUE;
    struct dsc_tensor t;

    if (is_by_row) {
        DSC_TRY(matrix(p, DSC_I8, p->q->code, p->q->n_cols, false, &t));
        DSC_TRY(add_own(p, "_quantized", &t, &code));
        DSC_TRY(scales(p, false, true, &t));
        DSC_TRY(add_own(p, "_scale", &t, &scale));
    } else {
        DSC_TRY(add_dequantize(p, false, &code));
    }
    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = p->g->nodes[i];

        if (!n->op || n->op->quant != DSC_QUANT_TABLE || n->in[0] != p->site->value ||
            !dsc_is_planned(p->plan, n))
            continue;
        if (is_by_row)
            DSC_TRY(put_lookup(p, n, code, scale));
        else
            dsc_set_in(n, 0, code);
    }
    return DSC_OK;
}

enum dsc_status dsc_quant_put_weight(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                     const struct dsc_quant_site *site,
                                     const struct dsc_weight_codes *q, struct dsc_err *err)
{
    const struct put p = {g, plan, site, q, err};

    return site->kind == DSC_SITE_TABLE ? put_table(&p) : put_product(&p);
}
