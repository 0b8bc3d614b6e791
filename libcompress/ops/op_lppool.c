/* LpPool: the p-norm of each window, (sum of |x|^p)^(1/p). ONNX LpPool-22. */
#include "ops/pooling.h"

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    struct dsc_pool_spec s;

    DSC_TRY(dsc_pooling_spec(&s, n, in[0]->rank, in[0]->dim, err));
    return dsc_pool(x->dev, &s, out[0], NULL, in[0], err);
}

static enum dsc_status backward(DSC_BACKWARD_PARAMS)
{
    const struct dsc_tensor *v = saved->in[0];
    struct dsc_pool_spec s;

    DSC_TRY(dsc_pooling_spec(&s, n, v->rank, v->dim, err));
    return dsc_pool_bwd(x->dev, &s, din[0], dout[0], v, err);
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return dsc_node_attr(n, "dilations") || dsc_node_attr(n, "ceil_mode") ? 18 : 2;
}

const struct dsc_op dsc_op_lppool = {
    .onnx = "LpPool",
    .n_in = 1,
    .n_out = 1,
    .since = 2,
    .saves = DSC_IN(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_CHANNELS,
    .fn = DSC_POOL_LP,
    .infer = dsc_pooling_infer,
    .forward = forward,
    .backward = backward,
    .flops = dsc_pooling_flops,
    .min_opset = min_opset,
};
