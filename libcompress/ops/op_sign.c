/* Sign: -1, 0 or 1; its gradient is zero. ONNX Sign-13. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_sign = {
    .onnx = "Sign",
    .n_in = 1,
    .n_out = 1,
    .since = 9,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_sign,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
