/* Trilu: the upper or lower triangle of matrices, zero elsewhere. ONNX Trilu-14. */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    int64_t k;

    if (q->in[0].rank >= 0 && q->in[0].rank < 2)
        return dsc_fail(err, DSC_E_SHAPE, "a tensor of rank %d has no matrices", q->in[0].rank);
    if (q->n_in > 1 && q->value[1])
        DSC_TRY(dsc_scalar_check(q->value[1], "k", &k, err));
    return dsc_infer_like_input(q, err);
}

static int64_t k_of(const struct dsc_node *n, const struct dsc_tensor *const *in)
{
    return n->n_in > 1 && in[1] ? dsc_tensor_get_i64(in[1], 0) : 0;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_trilu(x->dev, dsc_node_int(n, "upper", 1) != 0, k_of(n, in), out[0], in[0], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    struct dsc_tensor *part;

    DSC_TRY(dsc_exec_temp(x, dout[0]->dtype, dout[0]->rank, dout[0]->dim, &part, err));
    DSC_TRY(dsc_trilu(x->dev, dsc_node_int(n, "upper", 1) != 0, k_of(n, saved->in), part, dout[0],
                      err));
    return dsc_axpy(x->dev, 1, din[0], part, err);
}

const struct dsc_op dsc_op_trilu = {
    .onnx = "Trilu",
    .n_in = 1,
    .n_in_optional = 1,
    .n_out = 1,
    .since = 14,
    .host_in = DSC_IN(1),
    .saves = DSC_IN(1),
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
