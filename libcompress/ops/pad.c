/* Pads as they are written, and padding with the tensor's own elements, by index. */
#include "ops/pad.h"

#include <inttypes.h>

/* Inputs 1 (pads) and 3 (axes) for a tensor of some rank. */
enum dsc_status dsc_pads_read(const struct dsc_tensor *const *v, int n_v, int rank,
                              struct dsc_pads *p, struct dsc_err *err)
{
    const struct dsc_tensor *axes = n_v > 3 ? v[3] : NULL;
    const int64_t n = axes ? dsc_tensor_n_elems(axes) : rank;
    uint32_t mask;

    *p = (struct dsc_pads){0};
    if (axes)
        DSC_TRY(dsc_axes_mask(axes, rank, &mask, err));
    if (dsc_tensor_n_elems(v[1]) != 2 * n)
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " pads for %" PRId64 " axes",
                        dsc_tensor_n_elems(v[1]), n);
    for (int64_t i = 0; i < n; i++) {
        int axis;

        DSC_TRY(dsc_axis_check(axes ? dsc_tensor_get_i64(axes, i) : i, rank, &axis, err));
        p->before[axis] = dsc_tensor_get_i64(v[1], i);
        p->after[axis] = dsc_tensor_get_i64(v[1], n + i);
    }
    return DSC_OK;
}

/* Where position i of the padded axis comes from; i counts from the input's element 0. */
static int64_t source_of(const char *mode, int64_t i, int64_t n)
{
    if (mode[0] == 'e')
        return i < 0 ? 0 : i >= n ? n - 1 : i;
    if (mode[0] == 'w')
        return (i % n + n) % n;
    if (n == 1)
        return 0;
    i = (i % (2 * (n - 1)) + 2 * (n - 1)) % (2 * (n - 1));
    return i < n ? i : 2 * (n - 1) - i;
}

/* The index of one axis as a tensor of the node's device. */
static enum dsc_status make_index(struct dsc_exec *x, const char *mode, int64_t before, int64_t n,
                                  int64_t n_padded, struct dsc_tensor **idx, struct dsc_err *err)
{
    struct dsc_tensor host;
    enum dsc_status st;

    DSC_TRY(dsc_exec_temp(x, DSC_I64, 1, &n_padded, idx, err));
    DSC_TRY(dsc_tensor_new(&host, DSC_I64, 1, &n_padded, err));
    for (int64_t i = 0; i < n_padded; i++)
        ((int64_t *)host.data)[i] = source_of(mode, i - before, n);
    st = x->dev->upload(x->dev, (*idx)->data, host.data, dsc_tensor_n_bytes(&host), err);
    dsc_tensor_clear(&host);
    return st;
}

static struct dsc_axis_view view_of(int rank, const int64_t *dim, int axis)
{
    struct dsc_tensor t = {.rank = rank};

    for (int i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    return dsc_axis_view(&t, axis);
}

static int n_padded_axes(const struct dsc_pads *p, int rank)
{
    int n = 0;

    for (int i = 0; i < rank; i++)
        n += p->before[i] != 0 || p->after[i] != 0;
    return n;
}

enum dsc_status dsc_pad_by_index(struct dsc_exec *x, const char *mode, const struct dsc_pads *p,
                                 struct dsc_tensor *y, const struct dsc_tensor *from,
                                 struct dsc_err *err)
{
    int n_left = n_padded_axes(p, y->rank);
    int64_t dim[DSC_MAX_RANK];

    for (int i = 0; i < y->rank; i++)
        dim[i] = from->dim[i];
    if (n_left == 0)
        return dsc_cast(x->dev, y, from, err);
    for (int i = 0; i < y->rank; i++) {
        const struct dsc_axis_view v = view_of(y->rank, dim, i);
        struct dsc_tensor *to = y, *idx;

        if (p->before[i] == 0 && p->after[i] == 0)
            continue;
        DSC_TRY(make_index(x, mode, p->before[i], dim[i], y->dim[i], &idx, err));
        dim[i] = y->dim[i];
        if (--n_left > 0)
            DSC_TRY(dsc_exec_temp(x, y->dtype, y->rank, dim, &to, err));
        DSC_TRY(dsc_gather(x->dev, v, to, from, idx, err));
        from = to;
    }
    return DSC_OK;
}

enum dsc_status dsc_unpad_by_index(struct dsc_exec *x, const char *mode, const struct dsc_pads *p,
                                   struct dsc_tensor *dx, const struct dsc_tensor *from,
                                   struct dsc_err *err)
{
    int n_left = n_padded_axes(p, dx->rank);
    const double zero = 0;
    int64_t dim[DSC_MAX_RANK];

    for (int i = 0; i < dx->rank; i++)
        dim[i] = from->dim[i];
    if (n_left == 0)
        return dsc_axpy(x->dev, 1, dx, from, err);
    for (int i = dx->rank - 1; i >= 0; i--) {
        struct dsc_tensor *to = dx, *idx;

        if (p->before[i] == 0 && p->after[i] == 0)
            continue;
        DSC_TRY(make_index(x, mode, p->before[i], dx->dim[i], dim[i], &idx, err));
        dim[i] = dx->dim[i];
        if (--n_left > 0) {
            DSC_TRY(dsc_exec_temp(x, dx->dtype, dx->rank, dim, &to, err));
            DSC_TRY(dsc_fill(x->dev, to, &zero, err));
        }
        DSC_TRY(
            dsc_scatter(x->dev, DSC_SCATTER_ADD, view_of(dx->rank, dim, i), to, idx, from, err));
        from = to;
    }
    return DSC_OK;
}
