/*
 * Selu: y = gamma (x > 0 ? x : alpha (exp x - 1)). ONNX Selu-22.
 * Klambauer et al. 2017, arXiv:1706.02515.
 */
#include "ops/elementwise.h"

static struct dsc_map_param param_of(const struct dsc_node *n)
{
    return (struct dsc_map_param){.alpha = dsc_node_float(n, "alpha", 1.67326319217681884765625f),
                                  .beta = dsc_node_float(n, "gamma", 1.05070102214813232421875f)};
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_map(x->dev, DSC_MAP_selu, param_of(n), out[0], in[0], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    return dsc_map_bwd(x->dev, DSC_MAP_selu, param_of(n), din[0], dout[0], saved->in[0],
                       saved->out[0], err);
}

const struct dsc_op dsc_op_selu = {
    .onnx = "Selu",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .saves = DSC_IN(0) | DSC_OUT(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = dsc_infer_like_input,
    .forward = forward,
    .backward = backward,
};
