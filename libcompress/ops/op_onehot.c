/* OneHot: a new axis of `depth`, on at the index and off elsewhere. ONNX OneHot-11. */
#include "device/prim.h"
#include "dsc/op.h"

#include <inttypes.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *idx = &q->in[0];
    struct dsc_type *out = &q->out[0];
    int64_t depth = DSC_DIM_UNKNOWN;
    int axis, from = 0;

    out->dtype = q->in[2].dtype;
    if (q->in[2].rank > 1 || (q->in[2].rank == 1 && q->in[2].dim[0] >= 0 && q->in[2].dim[0] != 2) ||
        q->in[2].rank == 0)
        return dsc_fail(err, DSC_E_SHAPE, "values are not [off, on]");
    if (q->value[1]) {
        DSC_TRY(dsc_scalar_check(q->value[1], "depth", &depth, err));
        if (depth < 0)
            return dsc_fail(err, DSC_E_RANGE, "depth %" PRId64, depth);
    }
    if (idx->rank < 0)
        return DSC_OK;
    if (idx->rank == DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_LIMIT, "more than %d axes", DSC_MAX_RANK);
    DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", -1), idx->rank + 1, &axis, err));
    out->rank = idx->rank + 1;
    for (int i = 0; i < out->rank; i++)
        out->dim[i] = i == axis ? depth : idx->dim[from++];
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const int64_t axis = dsc_node_int(n, "axis", -1);

    return dsc_one_hot(x->dev, dsc_axis_view(out[0], (int)(axis < 0 ? axis + out[0]->rank : axis)),
                       out[0], in[0], in[2], err);
}

const struct dsc_op dsc_op_onehot = {
    .onnx = "OneHot",
    .n_in = 3,
    .n_out = 1,
    .since = 11,
    .host_in = DSC_IN(1),
    .no_grad = DSC_IN(0),
    .infer = infer,
    .forward = forward,
};
