/*
 * Conv: convolution over any number of spatial axes, in groups of channels, with strides, dilations
 * and zero padding. x [N, C, ..], w [M, C / group, kernel ..], bias [M]. ONNX Conv-22.
 */
#include "ops/conv.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    return dsc_conv_infer(q, false, err);
}

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    const struct dsc_tensor *bias = n->n_in > DSC_CONV_BIAS ? in[DSC_CONV_BIAS] : NULL;
    struct dsc_conv_spec s;
    struct dsc_tensor *scratch;

    DSC_TRY(dsc_conv_spec_of(&s, n, in[0]->dim, in[1]->dim, in[0]->rank, false, err));
    DSC_TRY(dsc_conv_scratch(x, &s, out[0]->dtype, &scratch, err));
    return dsc_conv(x->dev, &s, out[0], in[0], in[1], bias, scratch, err);
}

static enum dsc_status backward(DSC_BACKWARD_PARAMS)
{
    const struct dsc_type *in = saved->in_type;
    struct dsc_conv_spec s;
    struct dsc_tensor *scratch;

    DSC_TRY(dsc_conv_spec_of(&s, n, in[0].dim, in[1].dim, in[0].rank, false, err));
    DSC_TRY(dsc_conv_scratch(x, NULL, dout[0]->dtype, &scratch, err));
    if (din[0])
        DSC_TRY(dsc_conv_dx(x->dev, &s, din[0], dout[0], saved->in[1], scratch, err));
    if (din[1])
        DSC_TRY(dsc_conv_dw(x->dev, &s, din[1], dout[0], saved->in[0], scratch, err));
    return n->n_in > DSC_CONV_BIAS && din[DSC_CONV_BIAS]
               ? dsc_conv_bias_back(x, din[DSC_CONV_BIAS], dout[0], err)
               : DSC_OK;
}

static int64_t flops(const struct dsc_infer *q)
{
    return dsc_conv_flops(q, false);
}

const struct dsc_op dsc_op_conv = {
    .onnx = "Conv",
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
