/*
 * dsc.CodeGemm: x w + bias with a constant w in codes of 4 or 8 bits, a scale and a zero point for
 * each group of rows of a column; the f32 weight never stands in memory.
 *
 * Inputs: x (f32 [..,K]), words (u32), scales (f32) and zero points (u8) as dsc_codes_pack and
 * code_gemm have them, bias (f32 [N], optional), and an epilogue (ops/epilogue.h). Attributes k, n,
 * bits, group, act. Output [..,N]. Made by dsc_pass_pack_codes for running here; never written.
 */
#include "device/prim.h"
#include "dsc/op.h"
#include "kernels/kernels.h"
#include "ops/epilogue.h"

enum { IN_WORDS = 1, IN_SCALE, IN_ZERO, IN_BIAS, IN_EPILOGUE };

static enum dsc_status read_layout(const struct dsc_node *n, struct dsc_code_layout *l,
                                   struct dsc_err *err)
{
    const int64_t bits = dsc_node_int(n, "bits", 0);

    *l = (struct dsc_code_layout){(int)bits, dsc_node_int(n, "k", 0), dsc_node_int(n, "n", 0),
                                  dsc_node_int(n, "group", 0)};
    if ((bits != 4 && bits != 8) || l->k < 1 || l->n < 1 || l->group < 1 || l->k > INT32_MAX ||
        l->n > INT32_MAX || l->group > INT32_MAX)
        return dsc_fail(err, DSC_E_RANGE, "a weight %lld x %lld of %lld bits in groups of %lld",
                        (long long)l->k, (long long)l->n, (long long)bits, (long long)l->group);
    return DSC_OK;
}

static bool is_other(const struct dsc_infer *q, int input, enum dsc_dtype dtype, size_t n)
{
    const struct dsc_type *t = &q->in[input];

    return (t->dtype != DSC_DTYPE_NONE && t->dtype != dtype) ||
           (dsc_type_is_known(t) && (t->rank != 1 || t->dim[0] != (int64_t)n));
}

/* Sizes of what was packed for this node; a kernel trusts them. */
static enum dsc_status check_packed(const struct dsc_infer *q, const struct dsc_code_layout *l,
                                    struct dsc_err *err)
{
    size_t n_words, n_scales;

    if (!dsc_codes_packed_elems(l, &n_words, &n_scales) ||
        is_other(q, IN_WORDS, DSC_U32, n_words) || is_other(q, IN_SCALE, DSC_F32, n_scales) ||
        is_other(q, IN_ZERO, DSC_U8, n_scales))
        return dsc_fail(err, DSC_E_SHAPE, "the packed codes are not %lld x %lld", (long long)l->k,
                        (long long)l->n);
    if (dsc_node_has_in(q->node, IN_BIAS) && is_other(q, IN_BIAS, DSC_F32, (size_t)l->n))
        return dsc_fail(err, DSC_E_SHAPE, "the bias is not [%lld]", (long long)l->n);
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0];
    struct dsc_code_layout l;
    enum dsc_dtype code;

    DSC_TRY(read_layout(q->node, &l, err));
    DSC_TRY(dsc_epilogue_infer(q, IN_EPILOGUE, l.n, &code, err));
    if (!dsc_node_has_in(q->node, IN_EPILOGUE + 2))
        code = DSC_F32;
    q->out[0].dtype = code;
    DSC_TRY(check_packed(q, &l, err));
    if (x->dtype != DSC_DTYPE_NONE && x->dtype != DSC_F32)
        return dsc_fail(err, DSC_E_TYPE, "x is %s", dsc_dtype_text(x->dtype));
    if (x->rank < 0)
        return DSC_OK;
    if (x->rank < 1 || (x->dim[x->rank - 1] >= 0 && x->dim[x->rank - 1] != l.k))
        return dsc_fail(err, DSC_E_SHAPE, "the last axis of x is not %lld", (long long)l.k);
    q->out[0] = *x;
    q->out[0].dtype = code;
    q->out[0].dim[x->rank - 1] = l.n;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_epilogue ep = dsc_epilogue_of(n, in, IN_EPILOGUE);
    const int64_t n_cols = dsc_node_int(n, "n", 1);
    const struct dsc_code_gemm_spec s = {
        .m = dsc_tensor_n_elems(out[0]) / n_cols,
        .n = n_cols,
        .k = dsc_node_int(n, "k", 0),
        .group = dsc_node_int(n, "group", 0),
        .bits = (int)dsc_node_int(n, "bits", 0),
    };

    return dsc_code_gemm(x->dev, &s, out[0], in[0], in[IN_WORDS], in[IN_SCALE], in[IN_ZERO],
                         dsc_node_has_in(n, IN_BIAS) ? in[IN_BIAS] : NULL, &ep, err);
}

const struct dsc_op dsc_op_codegemm = {
    .onnx = "CodeGemm",
    .domain = "dsc",
    .n_in = 4,
    .n_in_optional = 4,
    .n_out = 1,
    .host_in = DSC_IN(IN_EPILOGUE + 1) | DSC_IN(IN_EPILOGUE + 2),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = dsc_packed_flops,
};
