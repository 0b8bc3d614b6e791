/* Concat: tensors behind each other along one axis. ONNX Concat-13. */
#include "dsc/checked.h"
#include "ops/axis.h"

#include <inttypes.h>

/* Sizes that must be equal: the known one of the two; a contradiction is an error. */
static enum dsc_status same_dim(int axis, int64_t *dim, int64_t other, struct dsc_err *err)
{
    if (*dim >= 0 && other >= 0 && *dim != other)
        return dsc_fail(err, DSC_E_SHAPE, "sizes %" PRId64 " and %" PRId64 " at axis %d", *dim,
                        other, axis);
    if (*dim < 0 && (other >= 0 || *dim == DSC_DIM_UNKNOWN))
        *dim = other;
    return DSC_OK;
}

static enum dsc_status add_input(struct dsc_infer *q, int i, int axis, struct dsc_err *err)
{
    struct dsc_type *out = &q->out[0];
    const struct dsc_type *in = &q->in[i];

    if (in->rank != out->rank)
        return dsc_fail(err, DSC_E_SHAPE, "ranks %d and %d", out->rank, in->rank);
    for (int k = 0; k < out->rank; k++) {
        if (k != axis)
            DSC_TRY(same_dim(k, &out->dim[k], in->dim[k], err));
        else if (out->dim[k] < 0 || in->dim[k] < 0)
            out->dim[k] = DSC_DIM_UNKNOWN;
        else if (!dsc_add_i64(out->dim[k], in->dim[k], &out->dim[k]))
            return dsc_fail(err, DSC_E_OVERFLOW, "the joined axis does not fit");
    }
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_type *out = &q->out[0];
    int axis;

    if (!dsc_node_attr(q->node, "axis"))
        return dsc_fail(err, DSC_E_INCONSISTENT, "Concat needs attribute 'axis'");
    for (int i = 0; i < q->n_in; i++) {
        if (!dsc_node_has_in(q->node, i))
            return dsc_fail(err, DSC_E_INCONSISTENT, "input %d of Concat is left out", i);
        if (out->dtype && q->in[i].dtype && out->dtype != q->in[i].dtype)
            return dsc_fail(err, DSC_E_TYPE, "inputs are %s and %s", dsc_dtype_text(out->dtype),
                            dsc_dtype_text(q->in[i].dtype));
        if (q->in[i].dtype)
            out->dtype = q->in[i].dtype;
    }
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].rank < 0)
            return DSC_OK;
    DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", 0), q->in[0].rank, &axis, err));
    out->rank = q->in[0].rank;
    for (int k = 0; k < out->rank; k++)
        out->dim[k] = q->in[0].dim[k];
    for (int i = 1; i < q->n_in; i++)
        DSC_TRY(add_input(q, i, axis, err));
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const int axis = dsc_node_axis(n, 0, out[0]->rank);
    int64_t first = 0;

    for (int i = 0; i < n->n_in; i++) {
        const struct dsc_walk yw = dsc_walk_from(out[0], axis, first),
                              xw = dsc_walk_from(in[i], axis, 0);

        DSC_TRY(dsc_copy(x->dev, in[i]->rank, in[i]->dim, out[0], &yw, in[i], &xw, err));
        first += in[i]->dim[axis];
    }
    return DSC_OK;
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const int axis = dsc_node_axis(n, 0, dout[0]->rank);
    int64_t first = 0;

    for (int i = 0; i < n->n_in; i++) {
        if (din[i]) {
            const struct dsc_walk yw = dsc_walk_from(dout[0], axis, first),
                                  xw = dsc_walk_from(din[i], axis, 0);

            DSC_TRY(
                dsc_add_copy(x->dev, din[i]->rank, din[i]->dim, din[i], &xw, dout[0], &yw, err));
        }
        first += saved->in_type[i].dim[axis];
    }
    return DSC_OK;
}

const struct dsc_op dsc_op_concat = {
    .onnx = "Concat",
    .n_in = 1,
    .n_out = 1,
    .is_variadic_in = true,
    .since = 4,
    .param_in = DSC_ALL_IN,
    .prune = DSC_PRUNE_CONCAT,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
