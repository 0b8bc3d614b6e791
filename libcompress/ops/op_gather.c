/*
 * Gather: y = data[.., indices, ..] along one axis; indices may be negative. ONNX Gather-13.
 * The gradient of an embedding is its adjoint: rows of dy are added to the rows they came from, in
 * the order of the indices.
 */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0], *idx = &q->in[1];
    struct dsc_type *out = &q->out[0];
    int axis;

    out->dtype = x->dtype;
    if (idx->dtype != DSC_DTYPE_NONE && idx->dtype != DSC_I32 && idx->dtype != DSC_I64)
        return dsc_fail(err, DSC_E_TYPE, "indices are %s, not i32 or i64",
                        dsc_dtype_text(idx->dtype));
    if (x->rank < 0)
        return DSC_OK;
    DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", 0), x->rank, &axis, err));
    if (idx->rank < 0)
        return DSC_OK;
    if (x->rank - 1 + idx->rank > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_LIMIT, "%d axes, at most %d are supported",
                        x->rank - 1 + idx->rank, DSC_MAX_RANK);
    out->rank = 0;
    for (int i = 0; i < axis; i++)
        out->dim[out->rank++] = x->dim[i];
    for (int i = 0; i < idx->rank; i++)
        out->dim[out->rank++] = idx->dim[i];
    for (int i = axis + 1; i < x->rank; i++)
        out->dim[out->rank++] = x->dim[i];
    return DSC_OK;
}

static struct dsc_axis_view view_of(const struct dsc_node *n, const struct dsc_tensor *data)
{
    const int64_t axis = dsc_node_int(n, "axis", 0);

    return dsc_axis_view(data, (int)(axis < 0 ? axis + data->rank : axis));
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_gather(x->dev, view_of(n, in[0]), out[0], in[0], in[1], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    return dsc_scatter(x->dev, DSC_SCATTER_ADD, view_of(n, din[0]), din[0], saved->in[1], dout[0],
                       err);
}

const struct dsc_op dsc_op_gather = {
    .onnx = "Gather",
    .n_in = 2,
    .n_out = 1,
    .since = 1,
    .saves = DSC_IN(1),
    .param_in = DSC_IN(0),
    .quant = DSC_QUANT_TABLE,
    .prune = DSC_PRUNE_GATHER,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
