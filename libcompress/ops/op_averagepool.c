/* AveragePool: the mean of each window, with or without its padding. ONNX AveragePool-22. */
#include "ops/pooling.h"

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    struct dsc_pool_spec s;

    DSC_TRY(dsc_pooling_spec(&s, n, in[0]->rank, in[0]->dim, err));
    return dsc_pool(x->dev, &s, out[0], NULL, in[0], err);
}

static enum dsc_status backward(DSC_BACKWARD_PARAMS)
{
    const struct dsc_type *in = &saved->in_type[0];
    struct dsc_pool_spec s;

    DSC_TRY(dsc_pooling_spec(&s, n, in->rank, in->dim, err));
    return dsc_pool_bwd(x->dev, &s, din[0], dout[0], NULL, err);
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    if (dsc_node_attr(n, "dilations"))
        return 19;
    if (dsc_node_attr(n, "ceil_mode"))
        return 10;
    return dsc_node_attr(n, "count_include_pad") ? 7 : 1;
}

const struct dsc_op dsc_op_averagepool = {
    .onnx = "AveragePool",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .is_rowwise = true,
    .prune = DSC_PRUNE_CHANNELS,
    .fn = DSC_POOL_MEAN,
    .infer = dsc_pooling_infer,
    .forward = forward,
    .backward = backward,
    .flops = dsc_pooling_flops,
    .min_opset = min_opset,
};
