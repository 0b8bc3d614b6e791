/*
 * MatMul: batched matrix product with broadcasting. ONNX MatMul-13. When b is one matrix, all rows
 * of a are one product.
 */
#include "ops/elementwise.h"
#include "ops/matmul.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    if (q->in[0].dtype != q->in[1].dtype && q->in[0].dtype && q->in[1].dtype)
        return dsc_fail(err, DSC_E_TYPE, "inputs are %s and %s", dsc_dtype_text(q->in[0].dtype),
                        dsc_dtype_text(q->in[1].dtype));
    return dsc_matmul_type(&q->out[0], &q->in[0], &q->in[1], err);
}

static struct dsc_gemm_spec spec_of(const struct dsc_matmul *p)
{
    return (struct dsc_gemm_spec){.m = p->m,
                                  .n = p->n,
                                  .k = p->k,
                                  .alpha = 1,
                                  .n_batch = p->n_batch,
                                  .batch_a = p->at_a,
                                  .batch_b = p->at_b};
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    struct dsc_matmul p;
    struct dsc_type a, b;
    struct dsc_gemm_spec s;
    enum dsc_status st;

    dsc_type_of_tensor(&a, in[0]);
    dsc_type_of_tensor(&b, in[1]);
    DSC_TRY(dsc_matmul_init(&p, &a, &b, true, err));
    s = spec_of(&p);
    st = dsc_gemm(x->dev, &s, out[0], in[0], in[1], err);
    dsc_matmul_clear(&p);
    return st;
}

/* dx += the batches of `all`, summed where x was broadcast. */
static enum dsc_status sum_batches(struct dsc_exec *x, const struct dsc_matmul *p,
                                   const int64_t *stride, int64_t n_matrix,
                                   const struct dsc_tensor *dx, const struct dsc_tensor *all,
                                   struct dsc_err *err)
{
    struct dsc_walk to = {0}, from = {0};
    int64_t dim[DSC_MAX_RANK], step = n_matrix;

    dim[p->rank] = n_matrix;
    to.stride[p->rank] = from.stride[p->rank] = 1;
    for (int i = p->rank - 1; i >= 0; i--) {
        dim[i] = p->dim[i];
        to.stride[i] = stride[i] * n_matrix;
        from.stride[i] = step;
        step *= p->dim[i];
    }
    return dsc_add_copy(x->dev, p->rank + 1, dim, dx, &to, all, &from, err);
}

/* One side's gradient: dx += s, straight into dx when every batch has its own matrix there. */
static enum dsc_status product(struct dsc_exec *x, const struct dsc_matmul *p,
                               struct dsc_gemm_spec s, int64_t n_own, const int64_t *stride,
                               const struct dsc_tensor *dx, const struct dsc_tensor *a,
                               const struct dsc_tensor *b, struct dsc_err *err)
{
    const int64_t n_all = p->n_batch * s.m * s.n;
    struct dsc_tensor *all;

    if (n_own == p->n_batch) {
        s.beta = 1;
        return dsc_gemm(x->dev, &s, dx, a, b, err);
    }
    DSC_TRY(dsc_exec_temp(x, dx->dtype, 1, &n_all, &all, err));
    DSC_TRY(dsc_gemm(x->dev, &s, all, a, b, err));
    return sum_batches(x, p, stride, s.m * s.n, dx, all, err);
}

static enum dsc_status both(struct dsc_exec *x, const struct dsc_matmul *p,
                            const struct dsc_saved *saved, const struct dsc_tensor *dy,
                            struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_gemm_spec f = spec_of(p);

    if (din[0]) { /* dA = dY B^T */
        struct dsc_gemm_spec s = f;

        s.is_trans_b = true;
        s.n = f.k;
        s.k = f.n;
        s.batch_a = NULL;
        DSC_TRY(product(x, p, s, p->n_batch_a, p->sa, din[0], dy, saved->in[1], err));
    }
    if (din[1]) { /* dB = A^T dY */
        struct dsc_gemm_spec s = f;

        s.is_trans_a = true;
        s.m = f.k;
        s.k = f.m;
        s.batch_b = NULL;
        DSC_TRY(product(x, p, s, p->n_batch_b, p->sb, din[1], saved->in[0], dy, err));
    }
    return DSC_OK;
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    struct dsc_matmul p;
    enum dsc_status st;

    DSC_TRY(dsc_matmul_init(&p, &saved->in_type[0], &saved->in_type[1], true, err));
    st = both(x, &p, saved, dout[0], din, err);
    dsc_matmul_clear(&p);
    return st;
}

const struct dsc_op dsc_op_matmul = {
    .onnx = "MatMul",
    .n_in = 2,
    .n_out = 1,
    .since = 9,
    .saves = DSC_IN(0) | DSC_IN(1),
    .param_in = DSC_IN(0) | DSC_IN(1),
    .param_scalar_in = DSC_IN(1),
    .is_rowwise = true,
    .quant = DSC_QUANT_WEIGHT,
    .prune = DSC_PRUNE_MATMUL,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .flops = dsc_matmul_flops,
};
