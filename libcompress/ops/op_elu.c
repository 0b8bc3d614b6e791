/* Elu: y = x < 0 ? alpha (exp x - 1) : x. ONNX Elu-22. Clevert et al. 2015, arXiv:1511.07289. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_elu = {
    .onnx = "Elu",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .saves = DSC_IN(0) | DSC_OUT(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_elu,
    .alpha = 1,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
