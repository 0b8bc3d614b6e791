/* GlobalAveragePool: the mean over all spatial axes. ONNX GlobalAveragePool-22. */
#include "ops/pooling.h"
#include "ops/reduction.h"

const struct dsc_op dsc_op_globalaveragepool = {
    .onnx = "GlobalAveragePool",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .is_rowwise = true,
    .prune = DSC_PRUNE_CHANNELS,
    .fn = DSC_REDUCE_mean,
    .infer = dsc_global_pool_infer,
    .forward = dsc_global_pool_forward,
    .backward = dsc_global_pool_backward,
    .flops = dsc_reduction_flops,
};
