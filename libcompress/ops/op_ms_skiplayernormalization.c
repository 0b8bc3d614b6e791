/*
 * com.microsoft SkipLayerNormalization: LayerNormalization(input + skip + bias). Inputs input,
 * skip, gamma, beta, bias; output 3 is the sum. Read as Add and LayerNormalization.
 */
#include "ops/compose.h"

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    struct dsc_compose c = {.g = g, .n = n, .err = err};
    const int beta = dsc_compose_in(&c, 3), bias = dsc_compose_in(&c, 4);
    int sum = dsc_compose(&c, "Add", n->in[0], n->in[1]);

    for (int k = 1; k < 3 && k < n->n_out; k++)
        if (n->out[k] != DSC_NO_VALUE)
            dsc_compose_fail(&c, "outputs mean or inv_std_var");
    if (bias != DSC_NO_VALUE)
        sum = dsc_compose(&c, "Add", sum, bias);
    dsc_compose_out(&c, 3);
    if (n->n_out > 3 && n->out[3] != DSC_NO_VALUE)
        sum = n->out[3];
    dsc_compose_of(&c, "LayerNormalization", beta == DSC_NO_VALUE ? 2 : 3,
                   (int[]){sum, n->in[2], beta});
    dsc_compose_float(&c, "epsilon", dsc_node_float(n, "epsilon", 1e-12f));
    dsc_compose_out(&c, 0);
    return dsc_compose_end(&c);
}

const struct dsc_op dsc_op_ms_skiplayernormalization = {
    .onnx = "SkipLayerNormalization",
    .domain = "com.microsoft",
    .n_in = 3,
    .n_in_optional = 2,
    .n_out = 1,
    .n_out_optional = 3,
    .since = 1,
    .upgrade = upgrade,
    .infer = dsc_infer_rewritten,
};
