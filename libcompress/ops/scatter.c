/* What GatherElements, GatherND, ScatterElements and ScatterND share. */
#include "ops/scatter.h"

#include <inttypes.h>
#include <string.h>

static const char *const words[] = {
    [DSC_SCATTER_NONE] = "none", [DSC_SCATTER_ADD] = "add", [DSC_SCATTER_MUL] = "mul",
    [DSC_SCATTER_MAX] = "max",   [DSC_SCATTER_MIN] = "min",
};

enum dsc_status dsc_scatter_how(const struct dsc_node *n, enum dsc_scatter *how,
                                struct dsc_err *err)
{
    const char *word = dsc_node_string(n, "reduction", "none");

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i]) == 0) {
            *how = (enum dsc_scatter)i;
            return DSC_OK;
        }
    }
    return dsc_fail(err, DSC_E_UNSUPPORTED, "reduction '%s'", word);
}

enum dsc_status dsc_scatter_same_dtype(const struct dsc_infer *q, struct dsc_err *err)
{
    const enum dsc_dtype x = q->in[0].dtype, u = q->in[2].dtype;

    if (x && u && x != u)
        return dsc_fail(err, DSC_E_TYPE, "data are %s and updates %s", dsc_dtype_text(x),
                        dsc_dtype_text(u));
    return DSC_OK;
}

int64_t dsc_scatter_min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    const char *word = dsc_node_string(n, "reduction", "");

    return strcmp(word, "max") == 0 || strcmp(word, "min") == 0 ? 18 : word[0] ? 16 : 11;
}

enum dsc_status dsc_elements_check(const struct dsc_infer *q, int *axis, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0], *idx = &q->in[1];

    if (idx->dtype && idx->dtype != DSC_I32 && idx->dtype != DSC_I64)
        return dsc_fail(err, DSC_E_TYPE, "indices are %s, not i32 or i64",
                        dsc_dtype_text(idx->dtype));
    if (x->rank < 0)
        return DSC_OK;
    DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", 0), x->rank, axis, err));
    if (idx->rank < 0)
        return DSC_OK;
    if (idx->rank != x->rank)
        return dsc_fail(err, DSC_E_SHAPE, "data of rank %d, indices of rank %d", x->rank,
                        idx->rank);
    for (int i = 0; i < x->rank; i++)
        if (i != *axis && x->dim[i] >= 0 && idx->dim[i] > x->dim[i])
            return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " indices along axis %d of %" PRId64,
                            idx->dim[i], i, x->dim[i]);
    return DSC_OK;
}

enum dsc_status dsc_flat_elements(struct dsc_exec *x, const struct dsc_node *n, int rank,
                                  const int64_t *dim, const struct dsc_tensor *idx,
                                  struct dsc_tensor **flat, struct dsc_err *err)
{
    const int64_t axis = dsc_node_int(n, "axis", 0);

    DSC_TRY(dsc_exec_temp(x, DSC_I64, idx->rank, idx->dim, flat, err));
    return dsc_index_elements(x->dev, rank, dim, (int)(axis < 0 ? axis + rank : axis), *flat, idx,
                              err);
}

enum dsc_status dsc_flat_tuples(struct dsc_exec *x, int rank, const int64_t *dim, int n_batch,
                                const struct dsc_tensor *idx, struct dsc_axis_view *v,
                                struct dsc_tensor **flat, struct dsc_err *err)
{
    const int n_named = n_batch + (int)idx->dim[idx->rank - 1];

    *v = (struct dsc_axis_view){1, 1, 1};
    for (int i = 0; i < rank; i++)
        *(i < n_named ? &v->n : &v->inner) *= dim[i];
    DSC_TRY(dsc_exec_temp(x, DSC_I64, idx->rank - 1, idx->dim, flat, err));
    return dsc_index_tuples(x->dev, rank, dim, n_batch, *flat, idx, err);
}

/* The work of one backward pass: temporaries like data (x) or like updates (u). */
struct back {
    struct dsc_exec *x;
    struct dsc_axis_view v;
    const struct dsc_tensor *flat, *data, *u, *y, *dy;
};

static enum dsc_status temp_like(struct dsc_exec *x, const struct dsc_tensor *like,
                                 enum dsc_dtype dtype, struct dsc_tensor **t, struct dsc_err *err)
{
    return dsc_exec_temp(x, dtype, like->rank, like->dim, t, err);
}

/* t (like updates) = rows of `from` at the indices. */
static enum dsc_status rows_of(const struct back *b, const struct dsc_tensor *from,
                               struct dsc_tensor **t, struct dsc_err *err)
{
    DSC_TRY(temp_like(b->x, b->u, from->dtype, t, err));
    return dsc_gather(b->x->dev, b->v, *t, from, b->flat, err);
}

/* none, add: what was kept passes dy; what came in gets it from its place. */
static enum dsc_status back_linear(const struct back *b, enum dsc_scatter how,
                                   struct dsc_tensor **din, struct dsc_err *err)
{
    struct dsc_tensor *t;

    if (din[0] && how == DSC_SCATTER_ADD)
        DSC_TRY(dsc_axpy(b->x->dev, 1, din[0], b->dy, err));
    if (din[0] && how == DSC_SCATTER_NONE) {
        DSC_TRY(temp_like(b->x, b->dy, b->dy->dtype, &t, err));
        DSC_TRY(dsc_cast(b->x->dev, t, b->dy, err));
        DSC_TRY(dsc_scatter(b->x->dev, DSC_SCATTER_NONE, b->v, t, b->flat, NULL, err));
        DSC_TRY(dsc_axpy(b->x->dev, 1, din[0], t, err));
    }
    if (!din[2])
        return DSC_OK;
    DSC_TRY(rows_of(b, b->dy, &t, err));
    return dsc_axpy(b->x->dev, 1, din[2], t, err);
}

/* t = (a == b) as numbers; b may be a scalar. */
static enum dsc_status equal_as_number(const struct back *b, const struct dsc_tensor *lhs,
                                       const struct dsc_tensor *rhs, struct dsc_tensor **t,
                                       struct dsc_err *err)
{
    struct dsc_tensor *is_equal;

    DSC_TRY(temp_like(b->x, lhs, DSC_BOOL, &is_equal, err));
    DSC_TRY(dsc_binary(b->x->dev, DSC_BINARY_equal, is_equal, lhs, rhs, err));
    DSC_TRY(temp_like(b->x, lhs, lhs->dtype, t, err));
    return dsc_cast(b->x->dev, *t, is_equal, err);
}

/* d += f * g, f overwritten. */
static enum dsc_status add_product(const struct back *b, const struct dsc_tensor *d,
                                   const struct dsc_tensor *f, const struct dsc_tensor *g,
                                   struct dsc_err *err)
{
    struct dsc_tensor *t;

    DSC_TRY(temp_like(b->x, f, f->dtype, &t, err));
    DSC_TRY(dsc_binary(b->x->dev, DSC_BINARY_mul, t, f, g, err));
    return dsc_axpy(b->x->dev, 1, d, t, err);
}

/* max, min: those that equal the result share dy. */
static enum dsc_status back_extreme(const struct back *b, struct dsc_tensor **din,
                                    struct dsc_err *err)
{
    struct dsc_tensor *wins_x, *wins_u, *y_rows, *n_wins, *share, *share_rows;

    DSC_TRY(equal_as_number(b, b->data, b->y, &wins_x, err));
    DSC_TRY(rows_of(b, b->y, &y_rows, err));
    DSC_TRY(equal_as_number(b, b->u, y_rows, &wins_u, err));
    DSC_TRY(temp_like(b->x, b->data, b->data->dtype, &n_wins, err));
    DSC_TRY(dsc_cast(b->x->dev, n_wins, wins_x, err));
    DSC_TRY(dsc_scatter(b->x->dev, DSC_SCATTER_ADD, b->v, n_wins, b->flat, wins_u, err));
    DSC_TRY(temp_like(b->x, b->data, b->data->dtype, &share, err));
    DSC_TRY(dsc_binary(b->x->dev, DSC_BINARY_div, share, b->dy, n_wins, err));
    if (din[0])
        DSC_TRY(add_product(b, din[0], wins_x, share, err));
    if (!din[2])
        return DSC_OK;
    DSC_TRY(rows_of(b, share, &share_rows, err));
    return add_product(b, din[2], wins_u, share_rows, err);
}

/* Elements with ones for zeros, and where the zeros were. */
static enum dsc_status without_zeros(const struct back *b, const struct dsc_tensor *t,
                                     struct dsc_tensor **is_zero, struct dsc_tensor **rest,
                                     struct dsc_err *err)
{
    const double zeros = 0;
    struct dsc_tensor *zero;

    DSC_TRY(dsc_exec_temp(b->x, t->dtype, 0, NULL, &zero, err));
    DSC_TRY(dsc_fill(b->x->dev, zero, &zeros, err));
    DSC_TRY(equal_as_number(b, t, zero, is_zero, err));
    DSC_TRY(temp_like(b->x, t, t->dtype, rest, err));
    return dsc_binary(b->x->dev, DSC_BINARY_add, *rest, t, *is_zero, err); /* 0 + 1 */
}

/* dt += dy * product / rest, where all zeros (n_zeros) are the element's own (is_zero). */
static enum dsc_status add_factor(const struct back *b, const struct dsc_tensor *dt,
                                  const struct dsc_tensor *dy, const struct dsc_tensor *product,
                                  const struct dsc_tensor *rest, const struct dsc_tensor *is_zero,
                                  const struct dsc_tensor *n_zeros, struct dsc_err *err)
{
    struct dsc_tensor *others, *is_alone, *part;

    DSC_TRY(temp_like(b->x, rest, rest->dtype, &others, err));
    DSC_TRY(dsc_binary(b->x->dev, DSC_BINARY_div, others, product, rest, err));
    DSC_TRY(equal_as_number(b, n_zeros, is_zero, &is_alone, err));
    DSC_TRY(temp_like(b->x, rest, rest->dtype, &part, err));
    DSC_TRY(dsc_binary(b->x->dev, DSC_BINARY_mul, part, others, is_alone, err));
    return add_product(b, dt, part, dy, err);
}

/* mul: the product of all but oneself. With one zero only that element has any. */
static enum dsc_status back_product(const struct back *b, struct dsc_tensor **din,
                                    struct dsc_err *err)
{
    struct dsc_tensor *zero_x, *rest_x, *zero_u, *rest_u, *n_zeros, *product;
    struct dsc_tensor *n_rows, *p_rows, *dy_rows;

    DSC_TRY(without_zeros(b, b->data, &zero_x, &rest_x, err));
    DSC_TRY(without_zeros(b, b->u, &zero_u, &rest_u, err));
    DSC_TRY(temp_like(b->x, b->data, b->data->dtype, &n_zeros, err));
    DSC_TRY(dsc_cast(b->x->dev, n_zeros, zero_x, err));
    DSC_TRY(dsc_scatter(b->x->dev, DSC_SCATTER_ADD, b->v, n_zeros, b->flat, zero_u, err));
    DSC_TRY(temp_like(b->x, b->data, b->data->dtype, &product, err));
    DSC_TRY(dsc_cast(b->x->dev, product, rest_x, err));
    DSC_TRY(dsc_scatter(b->x->dev, DSC_SCATTER_MUL, b->v, product, b->flat, rest_u, err));
    if (din[0])
        DSC_TRY(add_factor(b, din[0], b->dy, product, rest_x, zero_x, n_zeros, err));
    if (!din[2])
        return DSC_OK;
    DSC_TRY(rows_of(b, n_zeros, &n_rows, err));
    DSC_TRY(rows_of(b, product, &p_rows, err));
    DSC_TRY(rows_of(b, b->dy, &dy_rows, err));
    return add_factor(b, din[2], dy_rows, p_rows, rest_u, zero_u, n_rows, err);
}

enum dsc_status dsc_scatter_backward(struct dsc_exec *x, const struct dsc_node *n,
                                     struct dsc_axis_view v, const struct dsc_tensor *flat,
                                     const struct dsc_saved *saved, const struct dsc_tensor *dy,
                                     struct dsc_tensor **din, struct dsc_err *err)
{
    const struct back b = {x, v, flat, saved->in[0], saved->in[2], saved->out[0], dy};
    enum dsc_scatter how;

    DSC_TRY(dsc_scatter_how(n, &how, err));
    if (how == DSC_SCATTER_NONE || how == DSC_SCATTER_ADD)
        return back_linear(&b, how, din, err);
    return how == DSC_SCATTER_MUL ? back_product(&b, din, err) : back_extreme(&b, din, err);
}
