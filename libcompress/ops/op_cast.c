/* Cast: the same numbers in another element type. ONNX Cast-13. */
#include "device/prim.h"
#include "dsc/op.h"

#include <inttypes.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const int64_t to = dsc_node_int(q->node, "to", 0);

    q->out[0] = q->in[0];
    q->out[0].dtype = dsc_dtype_from_onnx(to);
    if (q->out[0].dtype == DSC_DTYPE_NONE)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "Cast to element type %" PRId64, to);
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

/* 4-bit types came with opset 21, bf16 with 13. */
static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    const enum dsc_dtype to = dsc_dtype_from_onnx(dsc_node_int(n, "to", 0));

    return dsc_dtype_bits(to) == 4 ? 21 : to == DSC_BF16 ? 13 : 6;
}

const struct dsc_op dsc_op_cast = {
    .onnx = "Cast",
    .n_in = 1,
    .n_out = 1,
    .since = 6,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .min_opset = min_opset,
};
