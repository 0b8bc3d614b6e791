/*
 * InstanceNormalization: each channel of each example to mean 0 and variance 1, then a scale and a
 * bias per channel. ONNX InstanceNormalization-22. Ulyanov et al. 2016, arXiv:1607.08022.
 */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0];

    if (x->rank >= 0 && x->rank < 3)
        return dsc_fail(err, DSC_E_SHAPE, "the input has rank %d, less than 3", x->rank);
    for (int i = 1; i < 3; i++)
        if (x->rank >= 0 && q->in[i].rank >= 0 &&
            (q->in[i].rank != 1 ||
             (x->dim[1] >= 0 && q->in[i].dim[0] >= 0 && q->in[i].dim[0] != x->dim[1])))
            return dsc_fail(err, DSC_E_SHAPE, "input %d is not one value per channel", i);
    q->out[0] = *x;
    return DSC_OK;
}

static struct dsc_norm_spec spec_of(const struct dsc_node *n, const struct dsc_tensor *x)
{
    struct dsc_norm_spec s = {.n_rows = x->dim[0] * x->dim[1],
                              .n = 1,
                              .n_channels = x->dim[1],
                              .epsilon = (double)dsc_node_float(n, "epsilon", 1e-5f)};

    for (int i = 2; i < x->rank; i++)
        s.n *= x->dim[i];
    return s;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_norm_spec s = spec_of(n, in[0]);

    if (dsc_tensor_n_elems(in[0]) == 0)
        return DSC_OK;
    return dsc_norm(x->dev, &s, out[0], NULL, NULL, in[0], in[1], in[2], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_norm_spec s = spec_of(n, saved->in[0]);
    const struct dsc_norm_grads g = {.dx = din[0], .dgain = din[1], .dbias = din[2], .dy = dout[0]};

    if (dsc_tensor_n_elems(saved->in[0]) == 0)
        return DSC_OK;
    return dsc_norm_bwd(x->dev, &s, &g, saved->in[0], saved->in[1], err);
}

const struct dsc_op dsc_op_instancenormalization = {
    .onnx = "InstanceNormalization",
    .n_in = 3,
    .n_out = 1,
    .since = 6,
    .saves = DSC_IN(0) | DSC_IN(1),
    .param_in = DSC_IN(1) | DSC_IN(2),
    .prune = DSC_PRUNE_CHANNELS,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
