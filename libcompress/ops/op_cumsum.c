/* CumSum along an axis. ONNX CumSum-14. */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    int64_t v;
    int axis;

    q->out[0] = q->in[0];
    if (!q->value[1])
        return DSC_OK;
    DSC_TRY(dsc_scalar_check(q->value[1], "the axis", &v, err));
    return q->in[0].rank < 0 ? DSC_OK : dsc_axis_check(v, q->in[0].rank, &axis, err);
}

static struct dsc_axis_view view_of(const struct dsc_tensor *x, const struct dsc_tensor *axis)
{
    const int64_t v = dsc_tensor_get_i64(axis, 0);

    return dsc_axis_view(x, (int)(v < 0 ? v + x->rank : v));
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_cumsum(x->dev, dsc_node_int(n, "exclusive", 0) != 0,
                      dsc_node_int(n, "reverse", 0) != 0, view_of(in[0], in[1]), out[0], in[0],
                      err);
}

/* Element i went into all sums behind it: the same sum the other way. */
static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    struct dsc_tensor *part;

    DSC_TRY(dsc_exec_temp(x, dout[0]->dtype, dout[0]->rank, dout[0]->dim, &part, err));
    DSC_TRY(dsc_cumsum(x->dev, dsc_node_int(n, "exclusive", 0) != 0,
                       dsc_node_int(n, "reverse", 0) == 0, view_of(dout[0], saved->in[1]), part,
                       dout[0], err));
    return dsc_axpy(x->dev, 1, din[0], part, err);
}

const struct dsc_op dsc_op_cumsum = {
    .onnx = "CumSum",
    .n_in = 2,
    .n_out = 1,
    .since = 11,
    .host_in = DSC_IN(1),
    .saves = DSC_IN(1),
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
