/* GreaterOrEqual: y = a >= b with broadcasting. ONNX GreaterOrEqual-16. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_greater_or_equal = {
    .onnx = "GreaterOrEqual",
    .n_in = 2,
    .n_out = 1,
    .since = 12,
    .is_rowwise = true,
    .fn = DSC_BINARY_greater_or_equal,
    .infer = dsc_infer_compare,
    .forward = dsc_binary_forward,
};
