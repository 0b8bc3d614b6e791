/* Div: y = a / b with broadcasting; integers truncate. ONNX Div-14. */
#include "ops/elementwise.h"
#include "ops/upgrade.h"

const struct dsc_op dsc_op_div = {
    .onnx = "Div",
    .n_in = 2,
    .n_out = 1,
    .since = 7,
    .saves = DSC_IN(0) | DSC_IN(1),
    .param_in = DSC_IN(0) | DSC_IN(1),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_BINARY_div,
    .upgrade = dsc_upgrade_broadcast,
    .infer = dsc_infer_broadcast,
    .forward = dsc_binary_forward,
    .backward = dsc_binary_backward,
};
