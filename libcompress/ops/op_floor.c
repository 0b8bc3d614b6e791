/* Floor: the next integer down; its gradient is zero. ONNX Floor-13. */
#include "ops/elementwise.h"

const struct dsc_op dsc_op_floor = {
    .onnx = "Floor",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_MAP_floor,
    .infer = dsc_infer_like_input,
    .forward = dsc_unary_forward,
    .backward = dsc_unary_backward,
};
