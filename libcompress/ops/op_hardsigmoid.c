/* HardSigmoid: y = clamp(alpha x + beta, 0, 1). ONNX HardSigmoid-22. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_hardsigmoid = {
    .onnx = "HardSigmoid",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .saves = DSC_IN(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_hardsigmoid,
    .alpha = 0.2f,
    .beta = 0.5f,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
