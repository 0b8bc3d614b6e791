/* Reciprocal: y = 1 / x. ONNX Reciprocal-13. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_reciprocal = {
    .onnx = "Reciprocal",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .saves = DSC_OUT(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_reciprocal,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
