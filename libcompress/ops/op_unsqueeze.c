/* Unsqueeze: new axes of size 1. ONNX Unsqueeze-13 (axes are an input; before, an attribute). */
#include "ops/upgrade.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *in = &q->in[0];
    struct dsc_type *out = &q->out[0];
    uint32_t mask;
    int64_t rank;
    int from = 0;

    out->dtype = in->dtype;
    if (in->rank < 0 || !q->value[1])
        return DSC_OK;
    rank = in->rank + dsc_tensor_n_elems(q->value[1]);
    if (rank > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_LIMIT, "%lld axes, at most %d are supported", (long long)rank,
                        DSC_MAX_RANK);
    DSC_TRY(dsc_axes_mask(q->value[1], (int)rank, &mask, err));
    out->rank = (int)rank;
    for (int i = 0; i < out->rank; i++)
        out->dim[i] = mask >> i & 1 ? 1 : in->dim[from++];
    return DSC_OK;
}

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    return opset < 13 ? dsc_upgrade_ints(g, n, "axes", 1, err) : DSC_OK;
}

const struct dsc_op dsc_op_unsqueeze = {
    .onnx = "Unsqueeze",
    .n_in = 2,
    .n_out = 1,
    .since = 13,
    .host_in = DSC_IN(1),
    .is_view = true,
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_RESHAPE,
    .upgrade = upgrade,
    .infer = infer,
};
