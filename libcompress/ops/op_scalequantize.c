/*
 * dsc.ScaleQuantize: QuantizeLinear of x times a factor for each column, in one pass over memory.
 *
 * Inputs: x (f32 [..,N]), factors (f32 [N]), scale and zero point (one element, host).
 * Made by dsc_pass_fuse_quantize for running here; never written.
 */
#include "device/prim.h"
#include "dsc/op.h"
#include "ops/epilogue.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0];
    enum dsc_dtype code;

    if (x->rank == 0)
        return dsc_fail(err, DSC_E_SHAPE, "x is a scalar");
    DSC_TRY(dsc_same_dtype(q, DSC_IN(0) | DSC_IN(1), err));
    DSC_TRY(dsc_epilogue_infer(q, 1, x->rank > 0 ? x->dim[x->rank - 1] : -1, &code, err));
    q->out[0] = *x;
    q->out[0].dtype = code;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_epilogue ep = dsc_epilogue_of(n, in, 1);

    return dsc_finish(x->dev, &ep, in[0]->dim[in[0]->rank - 1], out[0], in[0], err);
}

const struct dsc_op dsc_op_scalequantize = {
    .onnx = "ScaleQuantize",
    .domain = "dsc",
    .n_in = 4,
    .n_out = 1,
    .host_in = DSC_IN(2) | DSC_IN(3),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
};
