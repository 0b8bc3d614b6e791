/* ReduceSum: the sum over axes. ONNX ReduceSum-13. */
#include "ops/reduction.h"

const struct dsc_op dsc_op_reduce_sum = {
    .onnx = "ReduceSum",
    .n_in = 1,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 13,
    .host_in = DSC_IN(1),
    .saves = DSC_IN(1),
    .prune = DSC_PRUNE_REDUCE,
    .fn = DSC_REDUCE_sum,
    .upgrade = dsc_reduction_upgrade,
    .infer = dsc_reduction_infer,
    .forward = dsc_reduction_forward,
    .backward = dsc_reduction_backward,
    .flops = dsc_reduction_flops,
};
