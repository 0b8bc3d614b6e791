/*
 * QuantizeLinear: y = saturate(round half even(x / scale) + zero point), per tensor, per index of
 * an axis, or per block. ONNX QuantizeLinear-21.
 */
#include "ops/quantizelinear.h"

static enum dsc_dtype code_type(const struct dsc_infer *q)
{
    const int64_t code = dsc_node_int(q->node, "output_dtype", 0);

    if (dsc_node_has_in(q->node, 2))
        return q->in[2].dtype;
    return code ? dsc_dtype_from_onnx(code) : DSC_U8;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const bool has_zero = dsc_node_has_in(q->node, 2);
    const enum dsc_dtype code = code_type(q);

    if (code == DSC_DTYPE_NONE
            ? !has_zero
            : dsc_dtype_is_float(code) || code == DSC_BOOL || dsc_dtype_bits(code) > 16)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "codes of type %s",
                        code ? dsc_dtype_text(code) : "number output_dtype");
    DSC_TRY(dsc_scale_check(q->node, &q->in[0], &q->in[1], has_zero ? &q->in[2] : NULL, err));
    q->out[0] = q->in[0];
    q->out[0].dtype = code;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_scale_map map = dsc_scale_map(n, in[0], in[1]);

    return dsc_quantize(x->dev, &map, out[0], in[0], in[1], n->n_in > 2 ? in[2] : NULL, err);
}

const struct dsc_op dsc_op_quantizelinear = {
    .onnx = "QuantizeLinear",
    .n_in = 2,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 10,
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = infer,
    .forward = forward,
    .min_opset = dsc_quantize_min_opset,
};
