/* Or: logical or of booleans, with broadcasting. ONNX Or-7. */
#include "ops/elementwise.h"
#include "ops/upgrade.h"

const struct dsc_op dsc_op_or = {
    .onnx = "Or",
    .n_in = 2,
    .n_out = 1,
    .since = 7,
    .is_rowwise = true,
    .fn = DSC_BINARY_or,
    .upgrade = dsc_upgrade_broadcast,
    .infer = dsc_infer_compare,
    .forward = dsc_binary_forward,
};
