/*
 * com.microsoft EmbedLayerNormalization: the sum of word, position and segment embeddings,
 * normalised. Inputs input_ids, segment_ids, word, position, segment, gamma, beta, mask,
 * position_ids; outputs: result, number of unmasked tokens, sum. Read as plain nodes.
 */
#include "ops/compose.h"

/* Rows of the position table: those asked for, or the first S of [B, S] ids. */
static int positions(struct dsc_compose *c, int ids, int table)
{
    const int asked = dsc_compose_in(c, 8);
    int shape, end;

    if (asked != DSC_NO_VALUE)
        return dsc_compose(c, "Gather", table, asked);
    shape = dsc_compose(c, "Shape", ids, DSC_NO_VALUE);
    end = dsc_compose(c, "Gather", shape, dsc_compose_list(c, (int64_t[]){1}, 1));
    return dsc_compose_of(c, "Slice", 4,
                          (int[]){table, dsc_compose_list(c, (int64_t[]){0}, 1), end,
                                  dsc_compose_list(c, (int64_t[]){0}, 1)});
}

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    struct dsc_compose c = {.g = g, .n = n, .err = err};
    const int ids = n->in[0], segment_ids = dsc_compose_in(&c, 1), mask = dsc_compose_in(&c, 7);
    int sum = dsc_compose(&c, "Gather", n->in[2], ids);

    sum = dsc_compose(&c, "Add", sum, positions(&c, ids, n->in[3]));
    if (segment_ids != DSC_NO_VALUE)
        sum = dsc_compose(&c, "Add", sum,
                          dsc_compose(&c, "Gather", dsc_compose_in(&c, 4), segment_ids));
    dsc_compose_out(&c, 2);
    if (n->n_out > 2 && n->out[2] != DSC_NO_VALUE)
        sum = n->out[2];
    dsc_compose_of(&c, "LayerNormalization", 3, (int[]){sum, n->in[5], n->in[6]});
    dsc_compose_float(&c, "epsilon", dsc_node_float(n, "epsilon", 1e-12f));
    dsc_compose_out(&c, 0);
    if (n->n_out > 1 && n->out[1] != DSC_NO_VALUE) {
        /* without a mask ONNX Runtime says 0 for each example */
        const int counted = mask != DSC_NO_VALUE ? mask : dsc_compose(&c, "Sub", ids, ids);

        dsc_compose(&c, "ReduceSum", counted, dsc_compose_list(&c, (int64_t[]){1}, 1));
        dsc_compose_int(&c, "keepdims", 0);
        dsc_compose_out(&c, 1);
    }
    return dsc_compose_end(&c);
}

const struct dsc_op dsc_op_ms_embedlayernormalization = {
    .onnx = "EmbedLayerNormalization",
    .domain = "com.microsoft",
    .n_in = 7,
    .n_in_optional = 2,
    .n_out = 1,
    .n_out_optional = 2,
    .since = 1,
    .upgrade = upgrade,
    .infer = dsc_infer_rewritten,
};
