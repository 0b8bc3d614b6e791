/*
 * dsc.QGemm: the integer form of Gemm between DequantizeLinear nodes.
 *
 * Inputs: x (u8 or i8 [M,K]), packed weights (i8 bytes), column sums (i32 [N]), x_scale (f32,
 * host), x_zero (integer, host), w_scale (f32, one or [N]), bias (f32 [N], optional). Attribute k.
 * Output f32 [M,N] = (x - x_zero) w * (x_scale * w_scale) + bias, with exact sums. Made by
 * dsc_quant_lower for running here; never written.
 */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0], *col_sum = &q->in[2];

    q->out[0].dtype = DSC_F32;
    if (x->rank < 0 || col_sum->rank < 0)
        return DSC_OK;
    if (x->rank != 2 || col_sum->rank != 1)
        return dsc_fail(err, DSC_E_SHAPE, "QGemm takes matrices");
    if (x->dim[1] >= 0 && x->dim[1] != dsc_node_int(q->node, "k", -1))
        return dsc_fail(err, DSC_E_SHAPE, "x has %lld columns, the weight %lld rows",
                        (long long)x->dim[1], (long long)dsc_node_int(q->node, "k", -1));
    q->out[0].rank = 2;
    q->out[0].dim[0] = x->dim[0];
    q->out[0].dim[1] = col_sum->dim[0];
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_qgemm_spec s = {
        .m = out[0]->dim[0],
        .n = out[0]->dim[1],
        .k = in[0]->dim[1],
        .x_scale = (float)dsc_tensor_get_f64(in[3], 0),
        .x_zero = (int32_t)dsc_tensor_get_i64(in[4], 0),
    };

    return dsc_qgemm_packed(x->dev, &s, out[0], in[0], in[1], in[2], in[5],
                            n->n_in > 6 ? in[6] : NULL, err);
}

static int64_t flops(const struct dsc_infer *q)
{
    if (!dsc_type_is_known(&q->out[0]))
        return -1;
    return 2 * q->out[0].dim[0] * q->out[0].dim[1] * dsc_node_int(q->node, "k", 0);
}

const struct dsc_op dsc_op_qgemm = {
    .onnx = "QGemm",
    .domain = "dsc",
    .n_in = 6,
    .n_in_optional = 1,
    .n_out = 1,
    .host_in = DSC_IN(3) | DSC_IN(4),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = flops,
};
