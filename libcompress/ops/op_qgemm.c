/*
 * dsc.QGemm: the integer form of Gemm between DequantizeLinear nodes.
 *
 * Inputs: x (u8, i8, u16 or i16 [..,K]), packed weights (i8 bytes), column sums (i32 [N]), x_scale
 * (f32, host), x_zero (integer, host), w_scale (f32, one or [N]), bias (f32 [N], optional), and an
 * epilogue (ops/epilogue.h). Attributes k, act.
 * Output [..,N] = epilogue of (x - x_zero) w * (x_scale * w_scale) + bias, with exact sums. Made by
 * dsc_quant_lower for running here, the epilogue by dsc_pass_fuse_product; never written.
 */
#include "device/prim.h"
#include "dsc/op.h"
#include "kernels/kernels.h"
#include "ops/epilogue.h"

enum { IN_BIAS = DSC_PACKED_BIAS, IN_EPILOGUE = DSC_PACKED_BIAS + 1 };

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0], *col_sum = &q->in[2];
    const int64_t k = dsc_node_int(q->node, "k", -1);
    enum dsc_dtype code;

    DSC_TRY(
        dsc_epilogue_infer(q, IN_EPILOGUE, col_sum->rank == 1 ? col_sum->dim[0] : -1, &code, err));
    if (!dsc_node_has_in(q->node, IN_EPILOGUE + 2))
        code = DSC_F32;
    q->out[0].dtype = code;
    if (col_sum->rank < 0)
        return DSC_OK;
    if (col_sum->rank != 1)
        return dsc_fail(err, DSC_E_SHAPE, "the column sums are no vector");
    if (col_sum->dim[0] >= 0)
        DSC_TRY(dsc_packed_check(q, k, col_sum->dim[0], err));
    if (x->rank < 0)
        return DSC_OK;
    if (x->rank < 1)
        return dsc_fail(err, DSC_E_SHAPE, "x is a scalar");
    if (x->dim[x->rank - 1] >= 0 && x->dim[x->rank - 1] != k)
        return dsc_fail(err, DSC_E_SHAPE, "x has %lld columns, the weight %lld rows",
                        (long long)x->dim[x->rank - 1], (long long)k);
    q->out[0] = *x;
    q->out[0].dtype = code;
    q->out[0].dim[x->rank - 1] = col_sum->dim[0];
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_epilogue ep = dsc_epilogue_of(n, in, IN_EPILOGUE);
    const int64_t n_cols = in[2]->dim[0];
    const struct dsc_qgemm_spec s = {
        .m = n_cols ? dsc_tensor_n_elems(out[0]) / n_cols : 0,
        .n = n_cols,
        .k = dsc_node_int(n, "k", 0),
        .x_scale = (float)dsc_tensor_get_f64(in[3], 0),
        .x_zero = (int32_t)dsc_tensor_get_i64(in[4], 0),
    };

    const struct dsc_tensor *bias = dsc_node_has_in(n, IN_BIAS) ? in[IN_BIAS] : NULL;
    struct dsc_tensor *planes;

    if (!dsc_is_wide_code(in[0]->dtype))
        return dsc_qgemm_packed(x->dev, &s, out[0], in[0], in[1], in[2], in[5], bias, &ep, err);
    DSC_TRY(dsc_exec_temp(x, DSC_U8, 2, (int64_t[]){2, dsc_tensor_n_elems(in[0])}, &planes, err));
    return dsc_qgemm_wide(x->dev, &s, out[0], in[0], planes, in[1], in[2], in[5], bias, &ep, err);
}

const struct dsc_op dsc_op_qgemm = {
    .onnx = "QGemm",
    .domain = "dsc",
    .n_in = 6,
    .n_in_optional = 4,
    .n_out = 1,
    .host_in = DSC_IN(3) | DSC_IN(4) | DSC_IN(8) | DSC_IN(9),
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = dsc_packed_flops,
};
