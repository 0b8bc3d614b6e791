/* IsNaN. ONNX IsNaN-20. */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    q->out[0] = q->in[0];
    q->out[0].dtype = DSC_BOOL;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_is_special(x->dev, true, false, false, out[0], in[0], err);
}

const struct dsc_op dsc_op_isnan = {
    .onnx = "IsNaN",
    .n_in = 1,
    .n_out = 1,
    .since = 9,
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
};
