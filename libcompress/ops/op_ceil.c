/* Ceil: the next integer up; its gradient is zero. ONNX Ceil-13. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_ceil = {
    .onnx = "Ceil",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_ceil,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
