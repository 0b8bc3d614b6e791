/*
 * HardSwish: y = x clamp(x / 6 + 1/2, 0, 1). ONNX HardSwish-22. Howard et al. 2019,
 * arXiv:1905.02244.
 */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_hardswish = {
    .onnx = "HardSwish",
    .n_in = 1,
    .n_out = 1,
    .since = 14,
    .saves = DSC_IN(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_hardswish,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
