/* Not: y = (x == false). ONNX Not-1. */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    if (q->in[0].dtype && q->in[0].dtype != DSC_BOOL)
        return dsc_fail(err, DSC_E_TYPE, "the input is %s, not bool",
                        dsc_dtype_text(q->in[0].dtype));
    return dsc_infer_like_input(q, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const bool no = false;
    struct dsc_tensor *t;

    DSC_TRY(dsc_exec_temp(x, DSC_BOOL, 0, NULL, &t, err));
    DSC_TRY(dsc_fill(x->dev, t, &no, err));
    return dsc_binary(x->dev, DSC_BINARY_equal, out[0], in[0], t, err);
}

const struct dsc_op dsc_op_not = {
    .onnx = "Not",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
};
