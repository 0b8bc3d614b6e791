/*
 * MaxPool: the largest of each window, and where it was. A gradient goes to the first of equals.
 * ONNX MaxPool-22.
 */
#include "ops/pooling.h"

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    struct dsc_pool_spec s;

    DSC_TRY(dsc_pooling_spec(&s, n, in[0]->rank, in[0]->dim, err));
    return dsc_pool(x->dev, &s, out[0], n->n_out > 1 ? out[1] : NULL, in[0], err);
}

static enum dsc_status backward(DSC_BACKWARD_PARAMS)
{
    const struct dsc_tensor *v = saved->in[0];
    struct dsc_pool_spec s;

    if (!dout[0])
        return DSC_OK;
    DSC_TRY(dsc_pooling_spec(&s, n, v->rank, v->dim, err));
    return dsc_pool_bwd(x->dev, &s, din[0], dout[0], v, err);
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    const enum dsc_dtype dtype = g->values[n->in[0]].type.dtype;

    if (dtype == DSC_U8 || dtype == DSC_I8)
        return 12;
    if (dsc_node_attr(n, "dilations") || dsc_node_attr(n, "ceil_mode"))
        return 10;
    return n->n_out > 1 || dsc_node_attr(n, "storage_order") ? 8 : 1;
}

const struct dsc_op dsc_op_maxpool = {
    .onnx = "MaxPool",
    .n_in = 1,
    .n_out = 1,
    .n_out_optional = 1,
    .since = 1,
    .saves = DSC_IN(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_CHANNELS,
    .fn = DSC_POOL_MAX,
    .infer = dsc_pooling_infer,
    .forward = forward,
    .backward = backward,
    .flops = dsc_pooling_flops,
    .min_opset = min_opset,
};
