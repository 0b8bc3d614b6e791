/* Xor: exclusive or of booleans, with broadcasting. ONNX Xor-7. */
#include "ops/elementwise.h"
#include "ops/upgrade.h"

const struct dsc_op dsc_op_xor = {
    .onnx = "Xor",
    .n_in = 2,
    .n_out = 1,
    .since = 7,
    .is_rowwise = true,
    .fn = DSC_BINARY_xor,
    .upgrade = dsc_upgrade_broadcast,
    .infer = dsc_infer_compare,
    .forward = dsc_binary_forward,
};
