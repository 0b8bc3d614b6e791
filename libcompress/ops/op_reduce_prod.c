/* ReduceProd: the product over axes. ONNX ReduceProd-18. */
#include "ops/reduction.h"

const struct dsc_op dsc_op_reduce_prod = {
    .onnx = "ReduceProd",
    .n_in = 1,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 18,
    .host_in = DSC_IN(1),
    .saves = DSC_IN(0) | DSC_IN(1) | DSC_OUT(0),
    .prune = DSC_PRUNE_REDUCE,
    .fn = DSC_REDUCE_prod,
    .upgrade = dsc_reduction_upgrade,
    .infer = dsc_reduction_infer,
    .forward = dsc_reduction_forward,
    .backward = dsc_reduction_backward,
    .flops = dsc_reduction_flops,
};
