/* GlobalMaxPool: the largest over all spatial axes; equals share the gradient. ONNX
 * GlobalMaxPool-22. */
#include "ops/pooling.h"
#include "ops/reduction.h"

const struct dsc_op dsc_op_globalmaxpool = {
    .onnx = "GlobalMaxPool",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .saves = DSC_IN(0) | DSC_OUT(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_CHANNELS,
    .fn = DSC_REDUCE_max,
    .infer = dsc_global_pool_infer,
    .forward = dsc_global_pool_forward,
    .backward = dsc_global_pool_backward,
    .flops = dsc_reduction_flops,
};
