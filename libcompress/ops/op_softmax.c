/* Softmax along one axis. ONNX Softmax-13; older nodes normalise the flattened rest. */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    int axis;

    if (q->in[0].rank >= 0)
        DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", -1), q->in[0].rank, &axis, err));
    return dsc_infer_like_input(q, err);
}

static struct dsc_axis_view view_of(const struct dsc_node *n, const struct dsc_tensor *t)
{
    const int64_t axis = dsc_node_int(n, "axis", -1);

    return dsc_axis_view(t, (int)(axis < 0 ? axis + t->rank : axis));
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_softmax(x->dev, false, view_of(n, in[0]), out[0], in[0], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    return dsc_softmax_bwd(x->dev, false, view_of(n, dout[0]), din[0], dout[0], saved->out[0], err);
}

const struct dsc_op dsc_op_softmax = {
    .onnx = "Softmax",
    .n_in = 1,
    .n_out = 1,
    .since = 13,
    .saves = DSC_OUT(0),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
