/*
 * com.microsoft MatMulNBits: y = x W^T + bias, W of 4- or 8-bit codes with a scale for each block
 * of a row.
 *
 * Inputs: x [..,K], codes u8 [N, blocks, block_size * bits / 8] (of two 4-bit codes in a byte the
 * first is the low half), scales f32 [N, blocks], zero points u8 (packed as the codes are, a row
 * padded to a byte; absent: half of the range), g_idx (refused), bias [N]. The last block of a row
 * may reach beyond K. `accuracy_level` lets a runtime round x; here products are of x as it is.
 */
#include "device/prim.h"
#include "dsc/checked.h"
#include "dsc/op.h"

#include <inttypes.h>

enum { BLOCK_MAX = 65536 };

struct nbits {
    int64_t k, n, bits, block, n_blocks;
};

static enum dsc_status read_attrs(const struct dsc_node *n, struct nbits *a, struct dsc_err *err)
{
    a->k = dsc_node_int(n, "K", 0);
    a->n = dsc_node_int(n, "N", 0);
    a->bits = dsc_node_int(n, "bits", 4);
    a->block = dsc_node_int(n, "block_size", 0);
    if (a->k < 1 || a->n < 1 || a->k > INT32_MAX || a->n > INT32_MAX)
        return dsc_fail(err, DSC_E_RANGE, "K %" PRId64 " and N %" PRId64, a->k, a->n);
    if (a->bits != 4 && a->bits != 8)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "codes of %" PRId64 " bits, not 4 or 8", a->bits);
    if (a->block < 16 || a->block > BLOCK_MAX || (a->block & (a->block - 1)) != 0)
        return dsc_fail(err, DSC_E_RANGE, "block_size %" PRId64 " is no power of 2 from 16 to %d",
                        a->block, BLOCK_MAX);
    a->n_blocks = (a->k + a->block - 1) / a->block;
    return DSC_OK;
}

/* Files give these as one axis or several: only the number of elements is told. */
static enum dsc_status check_n(const struct dsc_type *t, const char *what, int64_t n,
                               struct dsc_err *err)
{
    int64_t n_t = 1;

    if (!dsc_type_is_known(t))
        return DSC_OK;
    for (int i = 0; i < t->rank; i++)
        if (!dsc_mul_i64(n_t, t->dim[i], &n_t))
            return dsc_fail(err, DSC_E_OVERFLOW, "%s do not fit into memory", what);
    if (n_t != n)
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " %s, K, N and block_size need %" PRId64, n_t,
                        what, n);
    return DSC_OK;
}

static enum dsc_status check_type(const struct dsc_type *t, const char *what, enum dsc_dtype want,
                                  struct dsc_err *err)
{
    if (t->dtype == DSC_DTYPE_NONE || t->dtype == want)
        return DSC_OK;
    return dsc_fail(err, DSC_E_UNSUPPORTED, "%s of type %s, not %s", what, dsc_dtype_text(t->dtype),
                    dsc_dtype_text(want));
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0];
    struct nbits a;

    DSC_TRY(read_attrs(q->node, &a, err));
    if (dsc_node_has_in(q->node, 4))
        return dsc_fail(err, DSC_E_UNSUPPORTED, "g_idx: blocks that are not in order");
    DSC_TRY(check_type(&q->in[1], "codes", DSC_U8, err));
    DSC_TRY(check_n(&q->in[1], "bytes of codes", a.n * a.n_blocks * (a.block * a.bits / 8), err));
    DSC_TRY(check_type(&q->in[2], "scales", DSC_F32, err));
    DSC_TRY(check_n(&q->in[2], "scales", a.n * a.n_blocks, err));
    if (dsc_node_has_in(q->node, 3)) {
        DSC_TRY(check_type(&q->in[3], "zero points", DSC_U8, err));
        DSC_TRY(
            check_n(&q->in[3], "bytes of zero points", a.n * ((a.n_blocks * a.bits + 7) / 8), err));
    }
    if (dsc_node_has_in(q->node, 5))
        DSC_TRY(check_type(&q->in[5], "a bias", DSC_F32, err));
    if (dsc_node_has_in(q->node, 5))
        DSC_TRY(check_n(&q->in[5], "values of the bias", a.n, err));
    DSC_TRY(check_type(x, "x", DSC_F32, err));
    q->out[0] = *x;
    if (x->rank < 0)
        return DSC_OK;
    if (x->rank < 1 || (x->dim[x->rank - 1] >= 0 && x->dim[x->rank - 1] != a.k))
        return dsc_fail(err, DSC_E_SHAPE, "the last axis of x is not K = %" PRId64, a.k);
    q->out[0].dim[x->rank - 1] = a.n;
    return DSC_OK;
}

/* The same bytes as rows of blocks of codes; no reference of its own. */
static struct dsc_tensor as_codes(const struct dsc_tensor *t, const struct nbits *a, int64_t n_cols)
{
    struct dsc_tensor v = *t;

    v.dtype = a->bits == 4 ? DSC_U4 : DSC_U8;
    v.rank = 2;
    v.dim[0] = a->n;
    v.dim[1] = n_cols;
    return v;
}

/* W [N, K] in f32. */
static enum dsc_status expand_weight(struct dsc_exec *x, const struct nbits *a,
                                     const struct dsc_tensor *const *in, bool has_zeros,
                                     struct dsc_tensor **w, struct dsc_err *err)
{
    const int64_t wide[2] = {a->n, a->n_blocks * a->block}, dim[2] = {a->n, a->k};
    const struct dsc_tensor codes = as_codes(in[1], a, wide[1]);
    /* rows of 4-bit zero points end at a byte */
    const int64_t n_zeros = a->bits == 4 ? a->n_blocks + a->n_blocks % 2 : a->n_blocks;
    const struct dsc_scale_map map = {.outer = a->n,
                                      .n = a->n_blocks,
                                      .inner = a->block,
                                      .block = 1,
                                      .so = a->n_blocks,
                                      .sn = 1,
                                      .zero_gap = has_zeros ? n_zeros - a->n_blocks : 0,
                                      .no_zero = (int32_t)1 << (a->bits - 1)};
    const struct dsc_walk from = {.stride = {wide[1], 1}}, to = {.stride = {a->k, 1}};
    struct dsc_tensor zeros, *all;

    DSC_TRY(dsc_exec_temp(x, DSC_F32, 2, wide, &all, err));
    if (has_zeros)
        zeros = as_codes(in[3], a, n_zeros);
    DSC_TRY(dsc_dequantize(x->dev, &map, all, &codes, in[2], has_zeros ? &zeros : NULL, err));
    *w = all;
    if (wide[1] == a->k)
        return DSC_OK;
    DSC_TRY(dsc_exec_temp(x, DSC_F32, 2, dim, w, err));
    return dsc_copy(x->dev, 2, dim, *w, &to, all, &from, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_walk bias_walk = {.stride = {0, 1}};
    struct dsc_gemm_spec s = {.is_trans_b = true, .alpha = 1, .n_batch = 1};
    struct dsc_tensor *w;
    struct nbits a;

    DSC_TRY(read_attrs(n, &a, err));
    s.m = dsc_tensor_n_elems(out[0]) / a.n;
    s.n = a.n;
    s.k = a.k;
    DSC_TRY(expand_weight(x, &a, in, dsc_node_has_in(n, 3), &w, err));
    if (dsc_node_has_in(n, 5)) {
        const struct dsc_walk to = {.stride = {a.n, 1}};

        DSC_TRY(dsc_copy(x->dev, 2, (int64_t[]){s.m, s.n}, out[0], &to, in[5], &bias_walk, err));
        s.beta = 1;
    }
    return dsc_gemm(x->dev, &s, out[0], in[0], w, err);
}

static int64_t flops(const struct dsc_infer *q)
{
    int64_t n = 2 * dsc_node_int(q->node, "K", 0);

    if (!dsc_type_is_known(&q->out[0]))
        return -1;
    for (int i = 0; i < q->out[0].rank; i++)
        n *= q->out[0].dim[i];
    return n;
}

const struct dsc_op dsc_op_ms_matmulnbits = {
    .onnx = "MatMulNBits",
    .domain = "com.microsoft",
    .n_in = 3,
    .n_in_optional = 3,
    .n_out = 1,
    .since = 1,
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = flops,
};
