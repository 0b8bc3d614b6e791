/* What ArgMax and ArgMin share. */
#include "ops/axis.h"

enum dsc_status dsc_infer_arg(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *in = &q->in[0];
    struct dsc_type *out = &q->out[0];
    const bool is_kept = dsc_node_int(q->node, "keepdims", 1) != 0;
    int axis;

    out->dtype = DSC_I64;
    if (in->rank < 0)
        return DSC_OK;
    DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", 0), in->rank, &axis, err));
    out->rank = 0;
    for (int i = 0; i < in->rank; i++)
        if (i != axis || is_kept)
            out->dim[out->rank++] = i == axis ? 1 : in->dim[i];
    return DSC_OK;
}

int64_t dsc_arg_min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return dsc_node_attr(n, "select_last_index") ? 12 : 11;
}
