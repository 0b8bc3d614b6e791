/*
 * DequantizeLinear: y = (x - zero point) * scale, per tensor, per index of an axis, or per block.
 * ONNX DequantizeLinear-21.
 */
#include "ops/quantizelinear.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const bool has_zero = dsc_node_has_in(q->node, 2);
    const enum dsc_dtype code = q->in[0].dtype;

    if (code != DSC_DTYPE_NONE && (dsc_dtype_is_float(code) || code == DSC_BOOL))
        return dsc_fail(err, DSC_E_TYPE, "codes of type %s", dsc_dtype_text(code));
    if (has_zero && code != q->in[2].dtype && code && q->in[2].dtype)
        return dsc_fail(err, DSC_E_TYPE, "codes are %s, the zero point is %s", dsc_dtype_text(code),
                        dsc_dtype_text(q->in[2].dtype));
    DSC_TRY(dsc_scale_check(q->node, &q->in[0], &q->in[1], has_zero ? &q->in[2] : NULL, err));
    q->out[0] = q->in[0];
    q->out[0].dtype = q->in[1].dtype;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_scale_map map = dsc_scale_map(n, in[0], in[1]);

    return dsc_dequantize(x->dev, &map, out[0], in[0], in[1], n->n_in > 2 ? in[2] : NULL, err);
}

const struct dsc_op dsc_op_dequantizelinear = {
    .onnx = "DequantizeLinear",
    .n_in = 2,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 10,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = 1, /* the codes come in */
    .infer = infer,
    .forward = forward,
    .min_opset = dsc_quantize_min_opset,
};
