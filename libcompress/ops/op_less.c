/* Less: y = a < b with broadcasting. ONNX Less-13. */
#include "ops/elementwise.h"
#include "ops/upgrade.h"

const struct dsc_op dsc_op_less = {
    .onnx = "Less",
    .n_in = 2,
    .n_out = 1,
    .since = 9,
    .is_rowwise = true,
    .fn = DSC_BINARY_less,
    .upgrade = dsc_upgrade_broadcast,
    .infer = dsc_infer_compare,
    .forward = dsc_binary_forward,
};
