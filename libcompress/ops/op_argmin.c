/* ArgMin: the place of the smallest element along an axis. ONNX ArgMin-13. */
#include "ops/axis.h"

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_arg(x->dev, false, dsc_node_int(n, "select_last_index", 0) != 0,
                   dsc_axis_view(in[0], dsc_node_axis(n, 0, in[0]->rank)), out[0], in[0], err);
}

const struct dsc_op dsc_op_argmin = {
    .onnx = "ArgMin",
    .n_in = 1,
    .n_out = 1,
    .since = 11,
    .infer = dsc_infer_arg,
    .forward = forward,
    .min_opset = dsc_arg_min_opset,
};
