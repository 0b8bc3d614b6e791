/* Softplus: y = log(1 + exp x). ONNX Softplus-22. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_softplus = {
    .onnx = "Softplus",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .saves = DSC_IN(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_softplus,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
