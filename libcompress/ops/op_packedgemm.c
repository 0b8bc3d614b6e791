/*
 * dsc.PackedGemm: x w + bias with a constant w that was packed for the product's kernel.
 *
 * Inputs: x (f32 [..,K]), packed w (f32 elements), bias (f32 [N], optional), and an epilogue
 * (ops/epilogue.h). Attributes k, n, act. Output [..,N].
 * Made by dsc_pass_pack_product for running here; never written.
 */
#include "device/prim.h"
#include "dsc/op.h"
#include "kernels/kernels.h"
#include "ops/epilogue.h"

enum { IN_BIAS = 2, IN_EPILOGUE = 3 };

/* Sizes of what was packed for this node; a kernel trusts them. */
static enum dsc_status check_packed(const struct dsc_infer *q, int64_t k, int64_t n,
                                    struct dsc_err *err)
{
    const struct dsc_type *packed = &q->in[1];
    const struct dsc_type *bias = dsc_node_has_in(q->node, IN_BIAS) ? &q->in[IN_BIAS] : NULL;
    size_t n_elems;

    if (!dsc_sgemm_packed_elems(k, n, &n_elems) ||
        (dsc_type_is_known(packed) && (packed->rank != 1 || packed->dim[0] != (int64_t)n_elems)))
        return dsc_fail(err, DSC_E_SHAPE, "the packed weight is not %lld x %lld", (long long)k,
                        (long long)n);
    if (bias && dsc_type_is_known(bias) && (bias->rank != 1 || bias->dim[0] != n))
        return dsc_fail(err, DSC_E_SHAPE, "the bias is not [%lld]", (long long)n);
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0];
    const int64_t k = dsc_node_int(q->node, "k", -1), n = dsc_node_int(q->node, "n", -1);
    enum dsc_dtype code;

    DSC_TRY(dsc_same_dtype(q, DSC_IN(0) | DSC_IN(1) | DSC_IN(IN_BIAS), err));
    DSC_TRY(dsc_epilogue_infer(q, IN_EPILOGUE, n, &code, err));
    if (!dsc_node_has_in(q->node, IN_EPILOGUE + 2))
        code = x->dtype;
    q->out[0].dtype = code;
    DSC_TRY(check_packed(q, k, n, err));
    if (x->rank < 0)
        return DSC_OK;
    if (x->rank < 1)
        return dsc_fail(err, DSC_E_SHAPE, "x is a scalar");
    if (x->dim[x->rank - 1] >= 0 && x->dim[x->rank - 1] != k)
        return dsc_fail(err, DSC_E_SHAPE, "x has %lld columns, the weight %lld rows",
                        (long long)x->dim[x->rank - 1], (long long)k);
    q->out[0] = *x;
    q->out[0].dtype = code;
    q->out[0].dim[x->rank - 1] = n;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_epilogue ep = dsc_epilogue_of(n, in, IN_EPILOGUE);
    const int64_t n_cols = dsc_node_int(n, "n", 0);
    const struct dsc_sgemm_spec s = {
        .m = n_cols ? dsc_tensor_n_elems(out[0]) / n_cols : 0,
        .n = n_cols,
        .k = dsc_node_int(n, "k", 0),
    };

    return dsc_sgemm_packed(x->dev, &s, out[0], in[0], in[1],
                            dsc_node_has_in(n, IN_BIAS) ? in[IN_BIAS] : NULL, &ep, err);
}

const struct dsc_op dsc_op_packedgemm = {
    .onnx = "PackedGemm",
    .domain = "dsc",
    .n_in = 2,
    .n_in_optional = 4,
    .n_out = 1,
    .host_in = DSC_IN(4) | DSC_IN(5),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = dsc_packed_flops,
};
