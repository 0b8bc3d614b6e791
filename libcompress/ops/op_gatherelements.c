/* GatherElements: y[.., i, ..] = x[.., indices[.., i, ..], ..]. ONNX GatherElements-13. */
#include "ops/scatter.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    int axis;

    q->out[0] = q->in[1];
    q->out[0].dtype = q->in[0].dtype;
    return dsc_elements_check(q, &axis, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const int64_t n_elems = dsc_tensor_n_elems(in[0]);
    struct dsc_tensor *flat;

    DSC_TRY(dsc_flat_elements(x, n, in[0]->rank, in[0]->dim, in[1], &flat, err));
    return dsc_gather(x->dev, (struct dsc_axis_view){1, n_elems, 1}, out[0], in[0], flat, err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const int64_t n_elems = dsc_tensor_n_elems(din[0]);
    struct dsc_tensor *flat;

    DSC_TRY(dsc_flat_elements(x, n, din[0]->rank, din[0]->dim, saved->in[1], &flat, err));
    return dsc_scatter(x->dev, DSC_SCATTER_ADD, (struct dsc_axis_view){1, n_elems, 1}, din[0], flat,
                       dout[0], err);
}

const struct dsc_op dsc_op_gatherelements = {
    .onnx = "GatherElements",
    .n_in = 2,
    .n_out = 1,
    .since = 11,
    .param_in = DSC_IN(0),
    .saves = DSC_IN(1),
    .quant = DSC_QUANT_PASS,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
