/*
 * Products of f32 with a constant matrix in codes, onto codes that are packed once:
 *
 *   Gemm(x, DequantizeLinear(w), b), MatMul(x, DequantizeLinear(w)) [+ b]  ->  dsc.CodeGemm
 *   com.microsoft MatMulNBits                                              ->  dsc.CodeGemm
 *
 * w of int4, uint4, int8 or uint8 with a scale for the matrix, a column, or each block of a
 * column's rows; Gemm as pass_pack_product.c takes it. What is left are products that integers do
 * not run (dsc_quant_lower comes before). Results have the bits of dsc.PackedGemm on the
 * dequantized weight.
 */
#include "dsc/pass.h"
#include "kernels/kernels.h"
#include "passes/fuse.h"

#include <stdio.h>

/* A matrix [k,n] in codes; element [p,j] and value [group,j] by strides. */
struct match {
    struct dsc_node *node;
    struct dsc_code_layout layout;
    const struct dsc_tensor *code, *scale;
    struct dsc_tensor zero; /* as codes; no tensor: no_zero. A view without a reference */
    int64_t no_zero;        /* as the codes are stored */
    bool is_signed;
    int64_t k_step, n_step, scale_k, scale_n, zero_k, zero_n;
    int bias; /* value number, or DSC_NO_VALUE */
};

/* Kernels count in 64 bits what 32 can hold. */
static bool is_countable(const struct dsc_code_layout *l)
{
    size_t n_words, n_scales;

    return l->k >= 1 && l->n >= 1 && l->group >= 1 && l->k <= INT32_MAX && l->n <= INT32_MAX &&
           l->group <= INT32_MAX && dsc_codes_packed_elems(l, &n_words, &n_scales);
}

static bool match_bias(const struct dsc_graph *g, struct match *m, int input)
{
    m->bias = dsc_node_has_in(m->node, input) ? m->node->in[input] : DSC_NO_VALUE;
    return m->bias == DSC_NO_VALUE || dsc_is_row_of(g, m->bias, m->layout.n);
}

/* ---- DequantizeLinear ---- */

/* Scales by the block of a column, by column, or one. */
static bool match_scales(const struct dsc_node *dq, bool is_trans, struct match *m)
{
    const int64_t block = dsc_node_int(dq, "block_size", 0), axis = dsc_node_int(dq, "axis", 1);
    const int k_axis = is_trans ? 1 : 0, scale_axis = (int)(axis < 0 ? axis + 2 : axis);
    struct dsc_code_layout *l = &m->layout;

    l->group = l->k;
    if (block == 0) {
        m->scale_n = dsc_tensor_n_elems(m->scale) > 1;
        return m->scale_n == 0 || scale_axis == 1 - k_axis;
    }
    l->group = block < l->k ? block : l->k;
    m->scale_k = is_trans ? 1 : l->n;
    m->scale_n = is_trans ? dsc_codes_n_groups(l) : 1;
    return scale_axis == k_axis;
}

static bool match_dequantized(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    const bool is_gemm = dsc_node_is(n, "", "Gemm");
    const bool is_trans = is_gemm && dsc_node_int(n, "transB", 0) != 0;
    const struct dsc_node *dq = dsc_producer(g, n->in[1]);
    const struct dsc_tensor *zero = NULL;
    enum dsc_dtype t;

    if (!dsc_node_is(dq, "", "DequantizeLinear") || !dsc_is_plain_product(n))
        return false;
    m->code = dsc_constant(g, dq->in[0]);
    m->scale = dsc_constant(g, dq->in[1]);
    t = m->code ? m->code->dtype : DSC_DTYPE_NONE;
    if ((t != DSC_I4 && t != DSC_U4 && t != DSC_I8 && t != DSC_U8) || m->code->rank != 2 ||
        !m->scale || m->scale->dtype != DSC_F32 ||
        (dsc_node_has_in(dq, 2) && !(zero = dsc_constant(g, dq->in[2]))))
        return false;
    m->layout = (struct dsc_code_layout){
        .bits = dsc_dtype_bits(t), .k = m->code->dim[is_trans], .n = m->code->dim[!is_trans]};
    m->k_step = is_trans ? 1 : m->layout.n;
    m->n_step = is_trans ? m->layout.k : 1;
    m->is_signed = dsc_dtype_kind(t) == DSC_KIND_SIGNED;
    if (m->layout.k < 1 || m->layout.n < 1 || !match_scales(dq, is_trans, m))
        return false;
    if (zero)
        m->zero = *zero;
    m->zero_k = m->scale_k;
    m->zero_n = m->scale_n;
    return !is_gemm || match_bias(g, m, 2);
}

/* ---- MatMulNBits ---- */

static bool match_nbits(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    const int64_t block = dsc_node_int(n, "block_size", 0);
    struct dsc_code_layout *l = &m->layout;
    const struct dsc_tensor *zero = NULL;
    int64_t n_groups;

    *l = (struct dsc_code_layout){(int)dsc_node_int(n, "bits", 4), dsc_node_int(n, "K", 0),
                                  dsc_node_int(n, "N", 0), block};
    m->code = dsc_constant(g, n->in[1]);
    m->scale = dsc_constant(g, n->in[2]);
    if (!m->code || !m->scale || !is_countable(l) ||
        (dsc_node_has_in(n, 3) && !(zero = dsc_constant(g, n->in[3]))))
        return false;
    n_groups = dsc_codes_n_groups(l);
    m->k_step = 1;
    m->n_step = n_groups * block;
    m->scale_k = m->zero_k = 1;
    m->scale_n = n_groups;
    m->no_zero = (int64_t)1 << (l->bits - 1);
    if (zero) {
        m->zero = *zero;
        m->zero.dtype = l->bits == 4 ? DSC_U4 : DSC_U8;
        m->zero_n = l->bits == 4 ? n_groups + n_groups % 2 : n_groups; /* rows end at a byte */
    }
    return match_bias(g, m, 5);
}

static bool match_product(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    *m = (struct match){.node = n, .bias = DSC_NO_VALUE};
    if (!n->op || dsc_known_columns(g, n->in[0]) < 0 || g->values[n->in[0]].type.rank < 2)
        return false;
    return (dsc_node_is(n, "com.microsoft", "MatMulNBits") ? match_nbits(g, n, m)
                                                           : match_dequantized(g, n, m)) &&
           is_countable(&m->layout);
}

/* ---- packing ---- */

/* Scales and zero points by panels; those of columns that are not there are 0. */
static void put_groups(const struct match *m, float *scale, uint8_t *zero)
{
    const struct dsc_code_layout *l = &m->layout;
    const int64_t n_groups = dsc_codes_n_groups(l);
    const int64_t raise = m->is_signed ? (int64_t)1 << (l->bits - 1) : 0;

    for (int64_t j = 0; j < l->n; j++)
        for (int64_t i = 0; i < n_groups; i++) {
            const int64_t at =
                (j / DSC_SGEMM_PANEL * n_groups + i) * DSC_SGEMM_PANEL + j % DSC_SGEMM_PANEL;
            const int64_t z = m->zero.dtype
                                  ? dsc_tensor_get_i64(&m->zero, i * m->zero_k + j * m->zero_n)
                                  : m->no_zero;

            scale[at] = ((const float *)m->scale->data)[i * m->scale_k + j * m->scale_n];
            zero[at] = (uint8_t)(z + raise);
        }
}

static enum dsc_status add_packed(struct dsc_graph *g, const struct match *m, int in[3],
                                  struct dsc_err *err)
{
    static const char *const parts[] = {"words", "scales", "zero_points"};
    const enum dsc_dtype types[] = {DSC_U32, DSC_F32, DSC_U8};
    struct dsc_tensor t[3] = {0};
    size_t n_words, n_scales;
    char name[300];
    enum dsc_status st = DSC_OK;

    if (!dsc_codes_packed_elems(&m->layout, &n_words, &n_scales))
        return dsc_fail(err, DSC_E_OVERFLOW, "a weight of %lld x %lld", (long long)m->layout.k,
                        (long long)m->layout.n);
    for (int i = 0; st == DSC_OK && i < 3; i++)
        st = dsc_tensor_new(&t[i], types[i], 1, (int64_t[]){(int64_t)(i == 0 ? n_words : n_scales)},
                            err);
    if (st == DSC_OK) {
        dsc_codes_pack(t[0].data, &m->layout, m->code->data, m->is_signed, m->k_step, m->n_step);
        put_groups(m, t[1].data, t[2].data);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%.280s/%s", m->node->name, parts[i]);
        if (st == DSC_OK)
            st = dsc_add_init(g, name, &t[i], &in[i], err);
        dsc_tensor_clear(&t[i]);
    }
    return st;
}

static enum dsc_status pack(struct dsc_graph *g, const struct match *m, struct dsc_err *err)
{
    const struct dsc_code_layout *l = &m->layout;
    const struct {
        const char *name;
        int64_t v;
    } attrs[] = {{"k", l->k}, {"n", l->n}, {"bits", l->bits}, {"group", l->group}};
    int in[] = {m->node->in[0], DSC_NO_VALUE, DSC_NO_VALUE, DSC_NO_VALUE, m->bias};
    struct dsc_node *n;
    char name[300];

    DSC_TRY(add_packed(g, m, &in[1], err));
    snprintf(name, sizeof name, "%.280s/product", m->node->name);
    DSC_TRY(
        dsc_graph_node(g, dsc_op_find("dsc", "CodeGemm"), name, 5, in, 1, m->node->out, &n, err));
    for (size_t i = 0; i < sizeof attrs / sizeof attrs[0]; i++)
        DSC_TRY(dsc_node_set_int(g, n, attrs[i].name, attrs[i].v, err));
    dsc_graph_remove_node(m->node);
    return DSC_OK;
}

enum dsc_status dsc_pass_pack_codes(struct dsc_graph *g, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct match m;

        if (match_product(g, g->nodes[i], &m))
            DSC_TRY(pack(g, &m, err));
    }
    return dsc_graph_sort(g, true, err);
}
