/* Squeeze: axes of size 1 go away. ONNX Squeeze-13 (axes are an input; before, an attribute). */
#include "ops/upgrade.h"

#include <inttypes.h>

/* Without axes every 1 goes: the rank is known once all sizes are. */
static bool all_ones(const struct dsc_type *in, uint32_t *mask)
{
    *mask = 0;
    for (int i = 0; i < in->rank; i++) {
        if (in->dim[i] < 0)
            return false;
        *mask |= (uint32_t)(in->dim[i] == 1) << i;
    }
    return true;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *in = &q->in[0];
    struct dsc_type *out = &q->out[0];
    uint32_t mask;

    out->dtype = in->dtype;
    if (in->rank < 0)
        return DSC_OK;
    if (dsc_node_has_in(q->node, 1)) {
        if (!q->value[1])
            return DSC_OK;
        DSC_TRY(dsc_axes_mask(q->value[1], in->rank, &mask, err));
    } else if (!all_ones(in, &mask)) {
        return DSC_OK;
    }
    out->rank = 0;
    for (int i = 0; i < in->rank; i++) {
        if (!(mask >> i & 1))
            out->dim[out->rank++] = in->dim[i];
        else if (in->dim[i] >= 0 && in->dim[i] != 1)
            return dsc_fail(err, DSC_E_SHAPE, "axis %d has size %" PRId64 ", not 1", i, in->dim[i]);
    }
    return DSC_OK;
}

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    return opset < 13 ? dsc_upgrade_ints(g, n, "axes", 1, err) : DSC_OK;
}

const struct dsc_op dsc_op_squeeze = {
    .onnx = "Squeeze",
    .n_in = 1,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 13,
    .host_in = DSC_IN(1),
    .is_view = true,
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_RESHAPE,
    .upgrade = upgrade,
    .infer = infer,
};
