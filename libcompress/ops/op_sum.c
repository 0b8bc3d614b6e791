/* Sum: the sum of the inputs, with broadcasting. ONNX Sum-13. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_sum = {
    .onnx = "Sum",
    .n_in = 1,
    .n_out = 1,
    .is_variadic_in = true,
    .since = 8,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_BINARY_add,
    .infer = dsc_infer_broadcast,
    .forward = dsc_variadic_forward,
    .backward = dsc_sum_backward,
};
