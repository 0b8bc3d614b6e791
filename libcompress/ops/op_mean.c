/* Mean: the mean of the inputs, with broadcasting. ONNX Mean-13. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_mean = {
    .onnx = "Mean",
    .n_in = 1,
    .n_out = 1,
    .is_variadic_in = true,
    .since = 8,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_BINARY_add,
    .infer = dsc_infer_broadcast,
    .forward = dsc_mean_forward,
    .backward = dsc_mean_backward,
};
