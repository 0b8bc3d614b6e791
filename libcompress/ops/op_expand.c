/* Expand: broadcast to a shape (two-way: a 1 in the shape keeps the size). ONNX Expand-13. */
#include "device/prim.h"
#include "dsc/op.h"

#include <inttypes.h>

/* A shape that is computed while the model runs still says how many axes there are. */
static void infer_rank(const struct dsc_type *in, const struct dsc_type *shape,
                       struct dsc_type *out)
{
    if (in->rank < 0 || shape->rank != 1 || shape->dim[0] < 0 || shape->dim[0] > DSC_MAX_RANK)
        return;
    out->rank = in->rank > (int)shape->dim[0] ? in->rank : (int)shape->dim[0];
    for (int i = 0; i < out->rank; i++) {
        const int k = i - (out->rank - in->rank);

        out->dim[i] = k >= 0 && in->dim[k] > 1 ? in->dim[k] : DSC_DIM_UNKNOWN;
    }
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_tensor *shape = q->value[1];
    struct dsc_type want = {.dtype = q->in[0].dtype};

    q->out[0].dtype = q->in[0].dtype;
    if (!shape) {
        infer_rank(&q->in[0], &q->in[1], &q->out[0]);
        return DSC_OK;
    }
    if (shape->rank != 1 || shape->dim[0] > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_SHAPE, "the shape input must be 1-D of at most %d sizes",
                        DSC_MAX_RANK);
    want.rank = (int)shape->dim[0];
    for (int i = 0; i < want.rank; i++) {
        want.dim[i] = dsc_tensor_get_i64(shape, i);
        if (want.dim[i] < 0)
            return dsc_fail(err, DSC_E_RANGE, "size %" PRId64 " at axis %d", want.dim[i], i);
    }
    return dsc_type_broadcast(&q->out[0], &q->in[0], &want, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_walk yw = dsc_walk_broadcast(out[0], out[0]->rank);
    const struct dsc_walk xw = dsc_walk_broadcast(in[0], out[0]->rank);

    return dsc_copy(x->dev, out[0]->rank, out[0]->dim, out[0], &yw, in[0], &xw, err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_walk yw = dsc_walk_broadcast(dout[0], dout[0]->rank);
    const struct dsc_walk xw = dsc_walk_broadcast(din[0], dout[0]->rank);

    return dsc_add_copy(x->dev, dout[0]->rank, dout[0]->dim, din[0], &xw, dout[0], &yw, err);
}

const struct dsc_op dsc_op_expand = {
    .onnx = "Expand",
    .n_in = 2,
    .n_out = 1,
    .since = 8,
    .host_in = DSC_IN(1),
    .quant = DSC_QUANT_PASS,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
