/*
 * dsc.AddNorm: LayerNormalization of the last axis of x + residual, with codes of the result.
 *
 * Inputs: x (f32 [..,N]), gain (f32 [N]), residual (optional), bias (f32 [N], optional), and an
 * epilogue (ops/epilogue.h) for the codes. Attribute epsilon. Outputs: y (f32), codes (optional).
 * Made by dsc_pass_fuse_norm for running here; never written.
 */
#include "device/prim.h"
#include "dsc/op.h"
#include "ops/epilogue.h"

enum { IN_GAIN = 1, IN_RESIDUAL = 2, IN_BIAS = 3, IN_EPILOGUE = 4 };

static bool is_other_than_row(const struct dsc_type *t, int64_t n)
{
    return dsc_type_is_known(t) && n >= 0 && (t->rank != 1 || t->dim[0] != n);
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0];
    enum dsc_dtype code;
    int64_t n;

    q->out[0] = *x;
    if (dsc_node_has_in(q->node, IN_RESIDUAL))
        DSC_TRY(dsc_type_broadcast(&q->out[0], x, &q->in[IN_RESIDUAL], err));
    DSC_TRY(dsc_same_dtype(q, DSC_IN(0) | DSC_IN(IN_GAIN) | DSC_IN(IN_RESIDUAL) | DSC_IN(IN_BIAS),
                           err));
    n = q->out[0].rank > 0 ? q->out[0].dim[q->out[0].rank - 1] : -1;
    if (q->out[0].rank == 0)
        return dsc_fail(err, DSC_E_SHAPE, "x is a scalar");
    if (is_other_than_row(&q->in[IN_GAIN], n) ||
        (dsc_node_has_in(q->node, IN_BIAS) && is_other_than_row(&q->in[IN_BIAS], n)))
        return dsc_fail(err, DSC_E_SHAPE, "gain or bias is not [%lld]", (long long)n);
    DSC_TRY(dsc_epilogue_infer(q, IN_EPILOGUE, n, &code, err));
    if (q->n_out > 1) {
        q->out[1] = q->out[0];
        q->out[1].dtype = code;
    }
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_tensor *v = in[0];
    const struct dsc_tensor *residual = dsc_node_has_in(n, IN_RESIDUAL) ? in[IN_RESIDUAL] : NULL;
    const struct dsc_tensor *bias = dsc_node_has_in(n, IN_BIAS) ? in[IN_BIAS] : NULL;
    const struct dsc_epilogue ep = dsc_epilogue_of(n, in, IN_EPILOGUE);
    const int64_t n_cols = out[0]->dim[out[0]->rank - 1];
    const struct dsc_norm_spec s = {
        .n_rows = n_cols ? dsc_tensor_n_elems(out[0]) / n_cols : 0,
        .n = n_cols,
        .epsilon = (double)dsc_node_float(n, "epsilon", 1e-5f),
    };

    if (residual && !(dsc_tensor_same_shape(v, out[0]) && dsc_tensor_same_shape(residual, v))) {
        struct dsc_tensor *sum; /* one of them is stretched */

        DSC_TRY(dsc_exec_temp(x, out[0]->dtype, out[0]->rank, out[0]->dim, &sum, err));
        DSC_TRY(dsc_binary(x->dev, DSC_BINARY_add, sum, v, residual, err));
        v = sum;
        residual = NULL;
    }
    return dsc_add_norm(x->dev, &s, out[0], n->n_out > 1 ? out[1] : NULL, v, residual, in[IN_GAIN],
                        bias, &ep, err);
}

static int64_t flops(const struct dsc_infer *q)
{
    int64_t n = dsc_node_has_in(q->node, IN_RESIDUAL) ? 9 : 8;

    if (!dsc_type_is_known(&q->out[0]))
        return -1;
    for (int i = 0; i < q->out[0].rank; i++)
        n *= q->out[0].dim[i];
    return n;
}

const struct dsc_op dsc_op_addnorm = {
    .onnx = "AddNorm",
    .domain = "dsc",
    .n_in = 2,
    .n_in_optional = 5,
    .n_out = 1,
    .n_out_optional = 1,
    .host_in = DSC_IN(5) | DSC_IN(6),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = flops,
};
