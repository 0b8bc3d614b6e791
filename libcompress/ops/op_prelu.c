/*
 * PRelu: y = x < 0 ? slope x : x; the slope broadcasts to x. ONNX PRelu-16. He et al. 2015,
 * arXiv:1502.01852.
 */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_prelu = {
    .onnx = "PRelu",
    .n_in = 2,
    .n_out = 1,
    .since = 9,
    .saves = DSC_IN(0) | DSC_IN(1),
    .param_in = DSC_IN(1),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_BINARY_prelu,
    .infer = dsc_infer_broadcast,
    .forward = dsc_binary_forward,
    .backward = dsc_binary_backward,
};
