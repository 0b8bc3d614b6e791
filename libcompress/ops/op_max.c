/* Max: the largest of the inputs, with broadcasting; ties share the gradient. ONNX Max-13. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_max = {
    .onnx = "Max",
    .n_in = 1,
    .n_out = 1,
    .is_variadic_in = true,
    .since = 8,
    .saves = DSC_ALL_IN,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_BINARY_max,
    .infer = dsc_infer_broadcast,
    .forward = dsc_variadic_forward,
    .backward = dsc_variadic_backward,
};
