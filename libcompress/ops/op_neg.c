/* Neg: y = -x. ONNX Neg-13. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_neg = {
    .onnx = "Neg",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_neg,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
