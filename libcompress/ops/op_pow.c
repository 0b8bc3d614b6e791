/*
 * Pow: y = a ^ b with broadcasting; y has a's type, b may have another. ONNX Pow-15.
 * Mixed types: a float base takes b in its own type; an integer base with a float exponent is
 * computed in f64 and truncated back.
 */
#include "ops/elementwise.h"
#include "ops/upgrade.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    return dsc_type_broadcast(&q->out[0], &q->in[0], &q->in[1], err);
}

/* t in another type: itself, or a temporary. */
static enum dsc_status as_type(struct dsc_exec *x, enum dsc_dtype dtype, const struct dsc_tensor *t,
                               const struct dsc_tensor **to, struct dsc_err *err)
{
    struct dsc_tensor *made;

    *to = t;
    if (t->dtype == dtype)
        return DSC_OK;
    DSC_TRY(dsc_exec_temp(x, dtype, t->rank, t->dim, &made, err));
    *to = made;
    return dsc_cast(x->dev, made, t, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const bool is_mixed = !dsc_dtype_is_float(in[0]->dtype) && dsc_dtype_is_float(in[1]->dtype);
    const enum dsc_dtype work = is_mixed ? DSC_F64 : in[0]->dtype;
    const struct dsc_tensor *a, *b;
    struct dsc_tensor *y = out[0];

    DSC_TRY(as_type(x, work, in[0], &a, err));
    DSC_TRY(as_type(x, work, in[1], &b, err));
    if (is_mixed)
        DSC_TRY(dsc_exec_temp(x, work, y->rank, y->dim, &y, err));
    DSC_TRY(dsc_binary(x->dev, DSC_BINARY_pow, y, a, b, err));
    return is_mixed ? dsc_cast(x->dev, out[0], y, err) : DSC_OK;
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_tensor *a = saved->in[0], *b;
    struct dsc_tensor *db;
    const struct dsc_tensor *db_own;

    DSC_TRY(as_type(x, a->dtype, saved->in[1], &b, err));
    if (din[0])
        DSC_TRY(dsc_binary_bwd(x->dev, DSC_BINARY_pow, 0, din[0], dout[0], a, b, err));
    if (!din[1])
        return DSC_OK;
    if (din[1]->dtype == a->dtype)
        return dsc_binary_bwd(x->dev, DSC_BINARY_pow, 1, din[1], dout[0], a, b, err);
    DSC_TRY(dsc_zeros_temp(x, a->dtype, b->rank, b->dim, &db, err));
    DSC_TRY(dsc_binary_bwd(x->dev, DSC_BINARY_pow, 1, db, dout[0], a, b, err));
    DSC_TRY(as_type(x, din[1]->dtype, db, &db_own, err));
    return dsc_axpy(x->dev, 1, din[1], db_own, err);
}

const struct dsc_op dsc_op_pow = {
    .onnx = "Pow",
    .n_in = 2,
    .n_out = 1,
    .since = 7,
    .saves = DSC_IN(0) | DSC_IN(1),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .upgrade = dsc_upgrade_broadcast,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
