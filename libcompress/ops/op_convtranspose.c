/*
 * ConvTranspose: the adjoint of a convolution in its input, as an operator of its own.
 * x [N, C, ..], w [C, M / group, kernel ..], bias [M]. ONNX ConvTranspose-22.
 */
#include "ops/axis.h"
#include "ops/conv.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    return dsc_conv_infer(q, true, err);
}

/* y starts as the bias, or as zeros. */
static enum dsc_status start(struct dsc_exec *x, const struct dsc_tensor *y,
                             const struct dsc_tensor *bias, struct dsc_err *err)
{
    const double zero = 0;
    struct dsc_walk from, to = {0};

    if (!bias)
        return dsc_fill(x->dev, y, &zero, err);
    const struct dsc_tensor view = dsc_channel_view(y, bias);

    from = dsc_walk_broadcast(&view, y->rank);
    dsc_dense_strides(y->rank, y->dim, to.stride);
    return dsc_copy(x->dev, y->rank, y->dim, y, &to, bias, &from, err);
}

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    struct dsc_conv_spec s;
    struct dsc_tensor *scratch;

    DSC_TRY(dsc_conv_spec_of(&s, n, in[0]->dim, in[1]->dim, in[0]->rank, true, err));
    DSC_TRY(dsc_conv_scratch(x, NULL, out[0]->dtype, &scratch, err));
    DSC_TRY(start(x, out[0], n->n_in > DSC_CONV_BIAS ? in[DSC_CONV_BIAS] : NULL, err));
    return dsc_conv_dx(x->dev, &s, out[0], in[0], in[1], scratch, err);
}

static enum dsc_status backward(DSC_BACKWARD_PARAMS)
{
    const struct dsc_type *in = saved->in_type;
    struct dsc_conv_spec s;
    struct dsc_tensor *scratch;

    DSC_TRY(dsc_conv_spec_of(&s, n, in[0].dim, in[1].dim, in[0].rank, true, err));
    DSC_TRY(dsc_conv_scratch(x, &s, dout[0]->dtype, &scratch, err));
    s.is_adding = true;
    if (din[0])
        DSC_TRY(dsc_conv(x->dev, &s, din[0], dout[0], saved->in[1], NULL, scratch, err));
    if (din[1])
        DSC_TRY(dsc_conv_dw(x->dev, &s, din[1], saved->in[0], dout[0], scratch, err));
    return n->n_in > DSC_CONV_BIAS && din[DSC_CONV_BIAS]
               ? dsc_conv_bias_back(x, din[DSC_CONV_BIAS], dout[0], err)
               : DSC_OK;
}

static int64_t flops(const struct dsc_infer *q)
{
    return dsc_conv_flops(q, true);
}

const struct dsc_op dsc_op_convtranspose = {
    .onnx = "ConvTranspose",
    .n_in = 2,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 1,
    .saves = DSC_IN(DSC_CONV_X) | DSC_IN(DSC_CONV_W),
    .param_in = DSC_IN(DSC_CONV_W) | DSC_IN(DSC_CONV_BIAS),
    .param_scalar_in = DSC_IN(DSC_CONV_W) | DSC_IN(DSC_CONV_BIAS),
    .is_rowwise = true,
    .quant = DSC_QUANT_CONV,
    .prune = DSC_PRUNE_CONV,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .flops = flops,
};
