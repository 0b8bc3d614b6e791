/* com.microsoft BiasGelu: Gelu(a + b), read as Add and Gelu. */
#include "ops/compose.h"

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    struct dsc_compose c = {.g = g, .n = n, .err = err};

    dsc_compose(&c, "Gelu", dsc_compose(&c, "Add", n->in[0], n->in[1]), DSC_NO_VALUE);
    dsc_compose_out(&c, 0);
    return dsc_compose_end(&c);
}

const struct dsc_op dsc_op_ms_biasgelu = {
    .onnx = "BiasGelu",
    .domain = "com.microsoft",
    .n_in = 2,
    .n_out = 1,
    .since = 1,
    .upgrade = upgrade,
    .infer = dsc_infer_rewritten,
};
