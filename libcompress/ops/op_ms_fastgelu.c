/* com.microsoft FastGelu: Gelu by tanh of x, or of x + bias. Read as Add and Gelu. */
#include "ops/compose.h"

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    struct dsc_compose c = {.g = g, .n = n, .err = err};
    const int bias = dsc_compose_in(&c, 1);
    const int x = bias == DSC_NO_VALUE ? n->in[0] : dsc_compose(&c, "Add", n->in[0], bias);

    dsc_compose(&c, "Gelu", x, DSC_NO_VALUE);
    if (c.st == DSC_OK)
        c.st = dsc_node_set_string(g, c.made, "approximate", "tanh", err);
    dsc_compose_out(&c, 0);
    return dsc_compose_end(&c);
}

const struct dsc_op dsc_op_ms_fastgelu = {
    .onnx = "FastGelu",
    .domain = "com.microsoft",
    .n_in = 1,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 1,
    .upgrade = upgrade,
    .infer = dsc_infer_rewritten,
};
