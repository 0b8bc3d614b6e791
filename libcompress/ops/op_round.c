/* Round: to the nearest integer, ties to even; its gradient is zero. ONNX Round-22. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_round = {
    .onnx = "Round",
    .n_in = 1,
    .n_out = 1,
    .since = 11,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_round,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
