/* CastLike: Cast to the element type of input 1. ONNX CastLike-15. */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    q->out[0] = q->in[0];
    q->out[0].dtype = q->in[1].dtype;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_cast(x->dev, out[0], in[0], err);
}

/* A gradient has its value's type: dy is cast back, then added. */
static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    struct dsc_tensor *back;

    if (dout[0]->dtype == din[0]->dtype)
        return dsc_axpy(x->dev, 1, din[0], dout[0], err);
    DSC_TRY(dsc_exec_temp(x, din[0]->dtype, din[0]->rank, din[0]->dim, &back, err));
    DSC_TRY(dsc_cast(x->dev, back, dout[0], err));
    return dsc_axpy(x->dev, 1, din[0], back, err);
}

const struct dsc_op dsc_op_castlike = {
    .onnx = "CastLike",
    .n_in = 2,
    .n_out = 1,
    .since = 15,
    .shape_in = DSC_IN(1),
    .no_grad = DSC_IN(1),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
