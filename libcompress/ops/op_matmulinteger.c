/*
 * MatMulInteger: (a - a_zero_point) (b - b_zero_point) of 8-bit codes, in 32 bits.
 * ONNX MatMulInteger-10.
 */
#include "ops/integer_matmul.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    DSC_TRY(dsc_matmul_type(&q->out[0], &q->in[0], &q->in[1], err));
    q->out[0].dtype = DSC_I32;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_integer_matmul(x, out[0], in[0], in[1], n->n_in > 2 ? in[2] : NULL,
                              n->n_in > 3 ? in[3] : NULL, err);
}

const struct dsc_op dsc_op_matmulinteger = {
    .onnx = "MatMulInteger",
    .n_in = 2,
    .n_in_optional = 2,
    .n_out = 1,
    .since = 10,
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = dsc_matmul_flops,
};
