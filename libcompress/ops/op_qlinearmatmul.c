/*
 * QLinearMatMul: the product of two quantized matrices, quantized again. Scales and zero points of
 * a and y: one or per row, of b: one or per column. ONNX QLinearMatMul-21.
 */
#include "ops/integer_matmul.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *b = &q->in[3];

    DSC_TRY(dsc_matmul_type(&q->out[0], &q->in[0], b, err));
    q->out[0].dtype = q->in[7].dtype;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_tensor *y = out[0], *a = in[0], *b = in[3];
    const int64_t rows = a->rank > 1 ? a->dim[a->rank - 2] : 1;
    const int64_t cols = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    const int64_t n_elems = dsc_tensor_n_elems(y);
    const int64_t n_batch = n_elems ? n_elems / (rows * cols) : 0;
    struct dsc_tensor *acc;

    if (n_elems == 0)
        return DSC_OK;
    DSC_TRY(dsc_integer_matmul_check("a's scale", in[1], rows, n_batch, err));
    DSC_TRY(dsc_integer_matmul_check("b's scale", in[4], cols, n_batch, err));
    DSC_TRY(dsc_integer_matmul_check("y's scale", in[6], rows, n_batch, err));
    DSC_TRY(dsc_integer_matmul_check("y's zero point", in[7], rows, n_batch, err));
    DSC_TRY(dsc_exec_temp(x, DSC_I32, y->rank, y->dim, &acc, err));
    DSC_TRY(dsc_integer_matmul(x, acc, a, b, in[2], in[5], err));
    return dsc_requantize(x->dev, rows, cols, y, acc, in[1], in[4], in[6], in[7], err);
}

static int64_t flops(const struct dsc_infer *q)
{
    const struct dsc_type in[2] = {q->in[0], q->in[3]};
    const struct dsc_infer product = {.in = in, .out = q->out};

    return dsc_matmul_flops(&product);
}

const struct dsc_op dsc_op_qlinearmatmul = {
    .onnx = "QLinearMatMul",
    .n_in = 8,
    .n_out = 1,
    .since = 10,
    .is_rowwise = true,
    .infer = infer,
    .forward = forward,
    .flops = flops,
};
