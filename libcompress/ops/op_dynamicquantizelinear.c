/*
 * DynamicQuantizeLinear: U8 codes of x with the scale and zero point of x's own range.
 * ONNX DynamicQuantizeLinear-11.
 */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    if (q->n_out != 3)
        return dsc_fail(err, DSC_E_INCONSISTENT, "%d outputs, there are 3", q->n_out);
    q->out[0] = q->in[0];
    q->out[0].dtype = DSC_U8;
    q->out[1] = (struct dsc_type){.dtype = DSC_F32};
    q->out[2] = (struct dsc_type){.dtype = DSC_U8};
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_scale_map map = {
        .outer = 1, .n = 1, .inner = dsc_tensor_n_elems(in[0]), .block = 1};
    struct dsc_tensor *scale = out[1], *zero = out[2];

    if (!scale)
        DSC_TRY(dsc_exec_temp(x, DSC_F32, 0, NULL, &scale, err));
    if (!zero)
        DSC_TRY(dsc_exec_temp(x, DSC_U8, 0, NULL, &zero, err));
    DSC_TRY(dsc_quant_range(x->dev, scale, zero, in[0], err));
    return out[0] ? dsc_quantize(x->dev, &map, out[0], in[0], scale, zero, err) : DSC_OK;
}

const struct dsc_op dsc_op_dynamicquantizelinear = {
    .onnx = "DynamicQuantizeLinear",
    .n_in = 1,
    .n_out = 3,
    .since = 11,
    .infer = infer,
    .forward = forward,
};
