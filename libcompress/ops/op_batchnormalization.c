/*
 * BatchNormalization: each channel (axis 1) by the statistics that are given, to scale and bias;
 * with training_mode 1 by its own mean and variance over the batch, which then move the running
 * ones. ONNX BatchNormalization-15. Ioffe & Szegedy 2015, arXiv:1502.03167.
 *
 * Without training_mode the statistics are constants, while training too: fine-tuning with frozen
 * statistics. They have no gradient.
 */
#include "device/prim.h"
#include "dsc/op.h"
#include "ops/axis.h"
#include "ops/batchnorm.h"

static bool is_by_batch(const struct dsc_node *n)
{
    return dsc_node_int(n, "training_mode", 0) != 0;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0];

    DSC_TRY(dsc_same_dtype(q, DSC_ALL_IN, err));
    if (x->rank >= 0 && x->rank < 2)
        return dsc_fail(err, DSC_E_SHAPE, "the input has rank %d, less than 2", x->rank);
    for (int i = IN_SCALE; i <= IN_VAR; i++)
        if (x->rank >= 0 && q->in[i].rank >= 0 &&
            (q->in[i].rank != 1 ||
             (x->dim[1] >= 0 && q->in[i].dim[0] >= 0 && q->in[i].dim[0] != x->dim[1])))
            return dsc_fail(err, DSC_E_SHAPE, "input %d is not one value per channel", i);
    if (q->n_out > 1 && !is_by_batch(q->node))
        return dsc_fail(err, DSC_E_SHAPE, "running statistics come with training_mode 1 alone");
    q->out[0] = *x;
    for (int k = 1; k < q->n_out; k++)
        q->out[k] = q->in[k == 1 ? IN_MEAN : IN_VAR];
    return DSC_OK;
}

/* ---- given statistics ---- */

/* 1 / sqrt(var + epsilon) */
static enum dsc_status inverse(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *var, struct dsc_tensor **inv,
                               struct dsc_err *err)
{
    const struct dsc_map_param p = {1, (double)dsc_node_float(n, "epsilon", 1e-5f)};
    struct dsc_tensor *sum, *root;

    DSC_TRY(dsc_exec_temp(x, var->dtype, 1, var->dim, &sum, err));
    DSC_TRY(dsc_exec_temp(x, var->dtype, 1, var->dim, &root, err));
    DSC_TRY(dsc_exec_temp(x, var->dtype, 1, var->dim, inv, err));
    DSC_TRY(dsc_map(x->dev, DSC_MAP_affine, p, sum, var, err));
    DSC_TRY(dsc_map(x->dev, DSC_MAP_sqrt, (struct dsc_map_param){0}, root, sum, err));
    return dsc_map(x->dev, DSC_MAP_reciprocal, (struct dsc_map_param){0}, *inv, root, err);
}

/* (v - mean) / sqrt(var + epsilon) */
static enum dsc_status normalise(struct dsc_exec *x, const struct dsc_tensor *v,
                                 const struct dsc_tensor *mean, const struct dsc_tensor *inv,
                                 struct dsc_tensor **hat, struct dsc_err *err)
{
    struct dsc_tensor *centred, m, i;

    m = dsc_channel_view(v, mean);
    i = dsc_channel_view(v, inv);
    DSC_TRY(dsc_exec_temp(x, v->dtype, v->rank, v->dim, &centred, err));
    DSC_TRY(dsc_exec_temp(x, v->dtype, v->rank, v->dim, hat, err));
    DSC_TRY(dsc_binary(x->dev, DSC_BINARY_sub, centred, v, &m, err));
    return dsc_binary(x->dev, DSC_BINARY_mul, *hat, centred, &i, err);
}

static enum dsc_status forward_given(struct dsc_exec *x, const struct dsc_node *n,
                                     const struct dsc_tensor *const *in, struct dsc_tensor *out,
                                     struct dsc_err *err)
{
    struct dsc_tensor *inv, *hat, *scaled, scale, bias;

    scale = dsc_channel_view(in[0], in[IN_SCALE]);
    bias = dsc_channel_view(in[0], in[IN_BIAS]);
    DSC_TRY(inverse(x, n, in[IN_VAR], &inv, err));
    DSC_TRY(normalise(x, in[0], in[IN_MEAN], inv, &hat, err));
    DSC_TRY(dsc_exec_temp(x, in[0]->dtype, in[0]->rank, in[0]->dim, &scaled, err));
    DSC_TRY(dsc_binary(x->dev, DSC_BINARY_mul, scaled, hat, &scale, err));
    return dsc_binary(x->dev, DSC_BINARY_add, out, scaled, &bias, err);
}

static enum dsc_status backward_given(struct dsc_exec *x, const struct dsc_node *n,
                                      const struct dsc_tensor *const *in,
                                      const struct dsc_tensor *dy, struct dsc_tensor **din,
                                      struct dsc_err *err)
{
    struct dsc_tensor *inv, *hat, *factor, scale, part;

    scale = dsc_channel_view(in[0], in[IN_SCALE]);
    DSC_TRY(inverse(x, n, in[IN_VAR], &inv, err));
    if (din[0]) {
        DSC_TRY(dsc_exec_temp(x, inv->dtype, 1, inv->dim, &factor, err));
        DSC_TRY(dsc_binary(x->dev, DSC_BINARY_mul, factor, inv, in[IN_SCALE], err));
        part = dsc_channel_view(in[0], factor);
        DSC_TRY(dsc_binary_bwd(x->dev, DSC_BINARY_mul, 0, din[0], dy, in[0], &part, err));
    }
    if (din[IN_SCALE]) {
        DSC_TRY(normalise(x, in[0], in[IN_MEAN], inv, &hat, err));
        part = dsc_channel_view(in[0], din[IN_SCALE]);
        DSC_TRY(dsc_binary_bwd(x->dev, DSC_BINARY_mul, 1, &part, dy, hat, &scale, err));
    }
    if (!din[IN_BIAS])
        return DSC_OK;
    part = dsc_channel_view(in[0], din[IN_BIAS]);
    return dsc_binary_bwd(x->dev, DSC_BINARY_add, 1, &part, dy, NULL, NULL, err);
}

/* ---- the operator ---- */

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    if (dsc_tensor_n_elems(in[0]) == 0)
        return DSC_OK;
    return is_by_batch(n) ? dsc_batchnorm_forward(x, n, in, out, err)
                          : forward_given(x, n, in, out[0], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    if (!dout[0] || dsc_tensor_n_elems(saved->in[0]) == 0)
        return DSC_OK;
    return is_by_batch(n) ? dsc_batchnorm_backward(x, n, saved->in, dout[0], din, err)
                          : backward_given(x, n, saved->in, dout[0], din, err);
}

/* Older training forms: outputs that later opsets do not have, statistics of single elements. */
static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    if (opset >= 14 || (n->n_out == 1 && dsc_node_int(n, "spatial", 1) == 1))
        return DSC_OK;
    return dsc_fail(err, DSC_E_UNSUPPORTED,
                    "BatchNormalization of opset %lld as it trains, or with spatial 0",
                    (long long)opset);
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return is_by_batch(n) ? 14 : 9;
}

const struct dsc_op dsc_op_batchnormalization = {
    .onnx = "BatchNormalization",
    .n_in = 5,
    .n_out = 1,
    .n_out_optional = 2,
    .since = 9,
    .saves = DSC_IN(0) | DSC_IN(IN_SCALE) | DSC_IN(IN_MEAN) | DSC_IN(IN_VAR),
    .param_in = DSC_IN(IN_SCALE) | DSC_IN(IN_BIAS),
    .param_scalar_in = DSC_IN(IN_SCALE) | DSC_IN(IN_BIAS),
    .no_grad = DSC_IN(IN_MEAN) | DSC_IN(IN_VAR),
    .prune = DSC_PRUNE_CHANNELS,
    .upgrade = upgrade,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .min_opset = min_opset,
};
