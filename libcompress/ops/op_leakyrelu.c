/* LeakyRelu: y = x < 0 ? alpha x : x. ONNX LeakyRelu-16. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_leakyrelu = {
    .onnx = "LeakyRelu",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .saves = DSC_IN(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_leakyrelu,
    .alpha = 0.01f,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
