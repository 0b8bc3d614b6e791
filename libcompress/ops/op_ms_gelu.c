/* com.microsoft Gelu: is read as ai.onnx Gelu. */
#include "ops/compose.h"

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    n->op = dsc_op_find("", "Gelu");
    return DSC_OK;
}

const struct dsc_op dsc_op_ms_gelu = {
    .onnx = "Gelu",
    .domain = "com.microsoft",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .upgrade = upgrade,
    .infer = dsc_infer_rewritten,
};
