/* Where: c ? a : b with broadcasting. ONNX Where-16. */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *c = &q->in[0], *a = &q->in[1], *b = &q->in[2];
    struct dsc_type t;

    if (c->dtype != DSC_DTYPE_NONE && c->dtype != DSC_BOOL)
        return dsc_fail(err, DSC_E_TYPE, "the condition is %s, not bool", dsc_dtype_text(c->dtype));
    if (a->dtype && b->dtype && a->dtype != b->dtype)
        return dsc_fail(err, DSC_E_TYPE, "inputs are %s and %s", dsc_dtype_text(a->dtype),
                        dsc_dtype_text(b->dtype));
    DSC_TRY(dsc_type_broadcast(&t, a, b, err));
    DSC_TRY(dsc_type_broadcast(&q->out[0], &t, c, err));
    q->out[0].dtype = a->dtype ? a->dtype : b->dtype;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_select(x->dev, out[0], in[0], in[1], in[2], err);
}

/* The chosen elements of dy, zero elsewhere, summed where the side was broadcast. */
static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const double zero = 0;
    struct dsc_tensor *none, *part;

    DSC_TRY(dsc_exec_temp(x, dout[0]->dtype, 0, NULL, &none, err));
    DSC_TRY(dsc_fill(x->dev, none, &zero, err));
    DSC_TRY(dsc_exec_temp(x, dout[0]->dtype, dout[0]->rank, dout[0]->dim, &part, err));
    for (int i = 1; i <= 2; i++) {
        const int rank = dout[0]->rank;
        struct dsc_walk yw, xw;

        if (!din[i])
            continue;
        DSC_TRY(dsc_select(x->dev, part, saved->in[0], i == 1 ? dout[0] : none,
                           i == 1 ? none : dout[0], err));
        yw = dsc_walk_broadcast(part, rank);
        xw = dsc_walk_broadcast(din[i], rank);
        DSC_TRY(dsc_add_copy(x->dev, rank, part->dim, din[i], &xw, part, &yw, err));
    }
    return DSC_OK;
}

const struct dsc_op dsc_op_where = {
    .onnx = "Where",
    .n_in = 3,
    .n_out = 1,
    .since = 9,
    .saves = DSC_IN(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
