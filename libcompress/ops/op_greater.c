/* Greater: y = a > b with broadcasting. ONNX Greater-13. */
#include "ops/elementwise.h"
#include "ops/upgrade.h"

const struct dsc_op dsc_op_greater = {
    .onnx = "Greater",
    .n_in = 2,
    .n_out = 1,
    .since = 9,
    .is_rowwise = true,
    .fn = DSC_BINARY_greater,
    .upgrade = dsc_upgrade_broadcast,
    .infer = dsc_infer_compare,
    .forward = dsc_binary_forward,
};
