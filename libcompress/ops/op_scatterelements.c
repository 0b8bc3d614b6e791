/* ScatterElements: x with updates at indices along an axis. ONNX ScatterElements-18. */
#include "ops/scatter.h"

#include <inttypes.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *idx = &q->in[1], *u = &q->in[2];
    enum dsc_scatter how;
    int axis;

    q->out[0] = q->in[0];
    DSC_TRY(dsc_scatter_how(q->node, &how, err));
    DSC_TRY(dsc_scatter_same_dtype(q, err));
    if (idx->rank < 0 || u->rank < 0)
        return DSC_OK;
    if (idx->rank != u->rank)
        return dsc_fail(err, DSC_E_SHAPE, "indices of rank %d, updates of rank %d", idx->rank,
                        u->rank);
    for (int i = 0; i < idx->rank; i++)
        if (idx->dim[i] >= 0 && u->dim[i] >= 0 && idx->dim[i] != u->dim[i])
            return dsc_fail(err, DSC_E_SHAPE,
                            "axis %d: %" PRId64 " indices for %" PRId64 " updates", i, idx->dim[i],
                            u->dim[i]);
    return dsc_elements_check(q, &axis, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_axis_view v = {1, dsc_tensor_n_elems(in[0]), 1};
    enum dsc_scatter how;
    struct dsc_tensor *flat;

    DSC_TRY(dsc_scatter_how(n, &how, err));
    DSC_TRY(dsc_flat_elements(x, n, in[0]->rank, in[0]->dim, in[1], &flat, err));
    DSC_TRY(dsc_cast(x->dev, out[0], in[0], err));
    return dsc_scatter(x->dev, how, v, out[0], flat, in[2], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_axis_view v = {1, dsc_tensor_n_elems(dout[0]), 1};
    struct dsc_tensor *flat;

    DSC_TRY(dsc_flat_elements(x, n, dout[0]->rank, dout[0]->dim, saved->in[1], &flat, err));
    return dsc_scatter_backward(x, n, v, flat, saved, dout[0], din, err);
}

const struct dsc_op dsc_op_scatterelements = {
    .onnx = "ScatterElements",
    .n_in = 3,
    .n_out = 1,
    .since = 11,
    .saves = DSC_IN(0) | DSC_IN(1) | DSC_IN(2) | DSC_OUT(0),
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .min_opset = dsc_scatter_min_opset,
};
