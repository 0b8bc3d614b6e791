/* Gemm: Y = alpha op(A) op(B) + beta C, C broadcast to [M, N]. ONNX Gemm-13. */
#include "device/prim.h"
#include "dsc/op.h"

#include <inttypes.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *a = &q->in[0], *b = &q->in[1];
    const int ta = dsc_node_int(q->node, "transA", 0) != 0;
    const int tb = dsc_node_int(q->node, "transB", 0) != 0;
    struct dsc_type c;

    q->out[0].dtype = a->dtype;
    if (a->rank < 0 || b->rank < 0)
        return DSC_OK;
    if (a->rank != 2 || b->rank != 2)
        return dsc_fail(err, DSC_E_SHAPE, "Gemm takes matrices, got ranks %d and %d", a->rank,
                        b->rank);
    if (a->dtype != b->dtype && a->dtype && b->dtype)
        return dsc_fail(err, DSC_E_TYPE, "A is %s and B is %s", dsc_dtype_text(a->dtype),
                        dsc_dtype_text(b->dtype));
    if (a->dim[1 - ta] >= 0 && b->dim[tb] >= 0 && a->dim[1 - ta] != b->dim[tb])
        return dsc_fail(err, DSC_E_SHAPE, "inner sizes %" PRId64 " and %" PRId64 " differ",
                        a->dim[1 - ta], b->dim[tb]);
    q->out[0].rank = 2;
    q->out[0].dim[0] = a->dim[ta];
    q->out[0].dim[1] = b->dim[1 - tb];
    if (q->n_in > 2 && q->in[2].rank > 2)
        return dsc_fail(err, DSC_E_SHAPE, "C has rank %d", q->in[2].rank);
    return q->n_in > 2 && q->in[2].rank >= 0 ? dsc_type_broadcast(&c, &q->out[0], &q->in[2], err)
                                             : DSC_OK;
}

/* Walks that broadcast C over [M, N]. */
static void walk_c(const struct dsc_tensor *c, struct dsc_walk *w)
{
    const int64_t rows = c->rank == 2 ? c->dim[0] : 1;
    const int64_t cols = c->rank ? c->dim[c->rank - 1] : 1;

    *w = (struct dsc_walk){0};
    w->stride[0] = rows == 1 ? 0 : cols;
    w->stride[1] = cols == 1 ? 0 : 1;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    struct dsc_gemm_spec s = {
        .is_trans_a = dsc_node_int(n, "transA", 0) != 0,
        .is_trans_b = dsc_node_int(n, "transB", 0) != 0,
        .m = out[0]->dim[0],
        .n = out[0]->dim[1],
        .alpha = dsc_node_float(n, "alpha", 1),
        .n_batch = 1,
    };
    s.k = in[0]->dim[s.is_trans_a ? 0 : 1];
    if (n->n_in > 2 && in[2]) {
        struct dsc_walk cw, yw = {.stride = {s.n, 1}};

        walk_c(in[2], &cw);
        DSC_TRY(dsc_copy(x->dev, 2, out[0]->dim, out[0], &yw, in[2], &cw, err));
        s.beta = dsc_node_float(n, "beta", 1);
    }
    return dsc_gemm(x->dev, &s, out[0], in[0], in[1], err);
}

/* dA = alpha dY op(B)^T, or its transpose when A was transposed. */
static enum dsc_status backward_a(struct dsc_exec *x, struct dsc_gemm_spec s,
                                  const struct dsc_tensor *b, const struct dsc_tensor *dy,
                                  const struct dsc_tensor *da, struct dsc_err *err)
{
    const struct dsc_gemm_spec f = s;

    s.beta = 1;
    if (!f.is_trans_a) {
        s.is_trans_b = !f.is_trans_b;
        s.n = f.k;
        s.k = f.n;
        return dsc_gemm(x->dev, &s, da, dy, b, err);
    }
    s.is_trans_a = f.is_trans_b;
    s.is_trans_b = true;
    s.m = f.k;
    s.n = f.m;
    s.k = f.n;
    return dsc_gemm(x->dev, &s, da, b, dy, err);
}

static enum dsc_status backward_b(struct dsc_exec *x, struct dsc_gemm_spec s,
                                  const struct dsc_tensor *a, const struct dsc_tensor *dy,
                                  const struct dsc_tensor *db, struct dsc_err *err)
{
    const struct dsc_gemm_spec f = s;

    s.beta = 1;
    s.k = f.m;
    if (!f.is_trans_b) {
        s.is_trans_a = !f.is_trans_a;
        s.is_trans_b = false;
        s.m = f.k;
        return dsc_gemm(x->dev, &s, db, a, dy, err);
    }
    s.is_trans_a = true;
    s.is_trans_b = f.is_trans_a;
    s.m = f.n;
    s.n = f.k;
    return dsc_gemm(x->dev, &s, db, dy, a, err);
}

/* dC += beta * dY, summed over the axes along which C was broadcast. */
static enum dsc_status backward_c(struct dsc_exec *x, double beta, struct dsc_tensor *dc,
                                  const struct dsc_tensor *dy, struct dsc_err *err)
{
    const struct dsc_walk yw = {.stride = {dy->dim[1], 1}};
    const double zero = 0;
    struct dsc_walk cw;
    struct dsc_tensor *sum = dc;

    walk_c(dc, &cw);
    if (beta != 1) {
        DSC_TRY(dsc_exec_temp(x, dc->dtype, dc->rank, dc->dim, &sum, err));
        DSC_TRY(dsc_fill(x->dev, sum, &zero, err));
    }
    DSC_TRY(dsc_add_copy(x->dev, 2, dy->dim, sum, &cw, dy, &yw, err));
    return beta != 1 ? dsc_axpy(x->dev, beta, dc, sum, err) : DSC_OK;
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_type *a = &saved->in_type[0];
    struct dsc_gemm_spec s = {
        .is_trans_a = dsc_node_int(n, "transA", 0) != 0,
        .is_trans_b = dsc_node_int(n, "transB", 0) != 0,
        .m = dout[0]->dim[0],
        .n = dout[0]->dim[1],
        .alpha = dsc_node_float(n, "alpha", 1),
        .n_batch = 1,
    };
    s.k = a->dim[s.is_trans_a ? 0 : 1];
    if (din[0])
        DSC_TRY(backward_a(x, s, saved->in[1], dout[0], din[0], err));
    if (din[1])
        DSC_TRY(backward_b(x, s, saved->in[0], dout[0], din[1], err));
    if (n->n_in > 2 && din[2])
        DSC_TRY(backward_c(x, dsc_node_float(n, "beta", 1), din[2], dout[0], err));
    return DSC_OK;
}

static int64_t flops(const struct dsc_infer *q)
{
    const int ta = dsc_node_int(q->node, "transA", 0) != 0;

    if (!dsc_type_is_known(&q->in[0]) || !dsc_type_is_known(&q->out[0]))
        return -1;
    return 2 * q->out[0].dim[0] * q->out[0].dim[1] * q->in[0].dim[1 - ta];
}

/* Up to opset 6 an attribute said that the bias may broadcast. */
static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    dsc_node_drop_attr(n, "broadcast");
    return DSC_OK;
}

const struct dsc_op dsc_op_gemm = {
    .onnx = "Gemm",
    .n_in = 2,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 11,
    .saves = DSC_IN(0) | DSC_IN(1),
    .param_in = DSC_IN(0) | DSC_IN(1) | DSC_IN(2),
    .param_scalar_in = DSC_IN(1) | DSC_IN(2),
    .is_rowwise = true,
    .quant = DSC_QUANT_WEIGHT,
    .prune = DSC_PRUNE_GEMM,
    .upgrade = upgrade,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .flops = flops,
};
