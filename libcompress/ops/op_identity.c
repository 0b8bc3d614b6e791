/* Identity: the input under another name. ONNX Identity-14. */
#include "dsc/op.h"

const struct dsc_op dsc_op_identity = {
    .onnx = "Identity",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .is_view = true,
    .is_rowwise = true,
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = dsc_infer_like_input,
};
