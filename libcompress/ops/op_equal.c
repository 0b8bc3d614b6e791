/* Equal: y = a == b with broadcasting. ONNX Equal-19. */
#include "ops/elementwise.h"
#include "ops/upgrade.h"

const struct dsc_op dsc_op_equal = {
    .onnx = "Equal",
    .n_in = 2,
    .n_out = 1,
    .since = 11,
    .is_rowwise = true,
    .fn = DSC_BINARY_equal,
    .upgrade = dsc_upgrade_broadcast,
    .infer = dsc_infer_compare,
    .forward = dsc_binary_forward,
};
