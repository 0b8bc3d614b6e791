/* What inference functions of many operators share. */
#include "dsc/op.h"

#include <inttypes.h>

void dsc_type_unknown(struct dsc_type *t)
{
    *t = (struct dsc_type){.rank = DSC_RANK_UNKNOWN};
}

bool dsc_type_is_known(const struct dsc_type *t)
{
    if (t->dtype == DSC_DTYPE_NONE || t->rank < 0)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 0)
            return false;
    return true;
}

void dsc_type_of_tensor(struct dsc_type *t, const struct dsc_tensor *x)
{
    *t = (struct dsc_type){.dtype = x->dtype, .rank = x->rank};
    for (int i = 0; i < x->rank; i++)
        t->dim[i] = x->dim[i];
}

/* One dimension of a broadcast: a known size over 1 decides against a symbol. */
static enum dsc_status broadcast_dim(int64_t a, int64_t b, int64_t *out, struct dsc_err *err)
{
    if (a == b || b == 1) {
        *out = a;
        return DSC_OK;
    }
    if (a == 1) {
        *out = b;
        return DSC_OK;
    }
    if (a >= 0 && b >= 0)
        return dsc_fail(err, DSC_E_SHAPE, "sizes %" PRId64 " and %" PRId64 " do not broadcast", a,
                        b);
    *out = a >= 0 ? a : b >= 0 ? b : DSC_DIM_UNKNOWN;
    return DSC_OK;
}

enum dsc_status dsc_type_broadcast(struct dsc_type *out, const struct dsc_type *a,
                                   const struct dsc_type *b, struct dsc_err *err)
{
    struct dsc_type r = {.dtype = a->dtype, .rank = a->rank > b->rank ? a->rank : b->rank};

    if (r.dtype == DSC_DTYPE_NONE)
        r.dtype = b->dtype;
    if (a->rank < 0 || b->rank < 0) { /* out may be a or b */
        dsc_type_unknown(out);
        out->dtype = r.dtype;
        return DSC_OK;
    }
    for (int i = 0; i < r.rank; i++) {
        const int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);

        DSC_TRY(broadcast_dim(ia >= 0 ? a->dim[ia] : 1, ib >= 0 ? b->dim[ib] : 1, &r.dim[i], err));
    }
    *out = r;
    return DSC_OK;
}

enum dsc_status dsc_axis_check(int64_t axis, int rank, int *out, struct dsc_err *err)
{
    if (axis < -rank || axis >= rank)
        return dsc_fail(err, DSC_E_RANGE, "axis %" PRId64 " of a tensor of rank %d", axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return DSC_OK;
}

enum dsc_status dsc_scalar_check(const struct dsc_tensor *t, const char *what, int64_t *v,
                                 struct dsc_err *err)
{
    if (t->rank > 1 || dsc_tensor_n_elems(t) != 1)
        return dsc_fail(err, DSC_E_SHAPE, "%s is %" PRId64 " elements, not one", what,
                        dsc_tensor_n_elems(t));
    *v = dsc_tensor_get_i64(t, 0);
    return DSC_OK;
}

enum dsc_status dsc_axes_mask(const struct dsc_tensor *axes, int rank, uint32_t *mask,
                              struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(axes);

    *mask = 0;
    for (int64_t i = 0; i < n; i++) {
        int axis;

        DSC_TRY(dsc_axis_check(dsc_tensor_get_i64(axes, i), rank, &axis, err));
        if (*mask >> axis & 1)
            return dsc_fail(err, DSC_E_DUP, "axis %d stands twice", axis);
        *mask |= 1u << axis;
    }
    return DSC_OK;
}

enum dsc_status dsc_same_dtype(const struct dsc_infer *q, uint32_t inputs, struct dsc_err *err)
{
    enum dsc_dtype d = DSC_DTYPE_NONE;

    for (int i = 0; i < q->n_in; i++) {
        if (q->in[i].dtype == DSC_DTYPE_NONE || (i < 16 && !(inputs >> i & 1)))
            continue;
        if (d != DSC_DTYPE_NONE && q->in[i].dtype != d)
            return dsc_fail(err, DSC_E_TYPE, "inputs are %s and %s", dsc_dtype_text(d),
                            dsc_dtype_text(q->in[i].dtype));
        d = q->in[i].dtype;
    }
    return DSC_OK;
}

enum dsc_status dsc_infer_like_input(struct dsc_infer *q, struct dsc_err *err)
{
    (void)err;
    for (int i = 0; i < q->n_out; i++)
        q->out[i] = q->in[0];
    return DSC_OK;
}

enum dsc_status dsc_infer_broadcast(struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_type t = q->in[0];

    for (int i = 1; i < q->n_in; i++) {
        if (t.dtype != DSC_DTYPE_NONE && q->in[i].dtype != DSC_DTYPE_NONE &&
            t.dtype != q->in[i].dtype)
            return dsc_fail(err, DSC_E_TYPE, "inputs are %s and %s", dsc_dtype_text(t.dtype),
                            dsc_dtype_text(q->in[i].dtype));
        DSC_TRY(dsc_type_broadcast(&t, &t, &q->in[i], err));
    }
    q->out[0] = t;
    return DSC_OK;
}

enum dsc_status dsc_infer_compare(struct dsc_infer *q, struct dsc_err *err)
{
    DSC_TRY(dsc_infer_broadcast(q, err));
    q->out[0].dtype = DSC_BOOL;
    return DSC_OK;
}
