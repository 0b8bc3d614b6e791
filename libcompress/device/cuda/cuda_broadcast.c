/* Primitives that walk index spaces: binary, select, reduce and their gradients; cast, cumsum. */
#include "device/cuda/cuda.h"

#include <string.h>

enum dsc_status dsc_cuda_prim_binary(struct dsc_device *d, enum dsc_binary_fn fn,
                                     const struct dsc_tensor *y, const struct dsc_tensor *a,
                                     const struct dsc_tensor *b, struct dsc_err *e)
{
    const struct dsc_walk yw = dsc_walk_broadcast(y, y->rank);
    const struct dsc_walk aw = dsc_walk_broadcast(a, y->rank);
    const struct dsc_walk bw = dsc_walk_broadcast(b, y->rank);
    const struct dsc_walk *const walks[] = {&yw, &aw, &bw};
    struct dsc_cuda_space s;
    enum dsc_cuda_elem elem;

    if (!dsc_cuda_elem_of(a->dtype, &elem) || !dsc_cuda_has_binary((int)fn, elem))
        return dsc_cuda_no_dtype("binary", a, e);
    if (dsc_cuda_space_of(&s, y->rank, y->dim, 3, walks, true, true) == 0)
        return DSC_OK;
    return dsc_cuda_check(
        dsc_cuda_binary(dsc_cuda_stream(d), (int)fn, elem, &s, y->data, a->data, b->data), "binary",
        e);
}

enum dsc_status dsc_cuda_prim_binary_bwd(struct dsc_device *d, enum dsc_binary_fn fn, int side,
                                         const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                         const struct dsc_tensor *a, const struct dsc_tensor *b,
                                         struct dsc_err *e)
{
    const struct dsc_walk none = {0}; /* of what is not given: its first element is not used */
    const struct dsc_walk xw = dsc_walk_broadcast(dx, dy->rank);
    const struct dsc_walk yw = dsc_walk_broadcast(dy, dy->rank);
    const struct dsc_walk aw = a ? dsc_walk_broadcast(a, dy->rank) : none;
    const struct dsc_walk bw = b ? dsc_walk_broadcast(b, dy->rank) : none;
    const struct dsc_walk *const walks[] = {&xw, &yw, &aw, &bw};
    struct dsc_cuda_space moving, still;

    if (!dsc_cuda_is_f32_or_f64(dx))
        return dsc_cuda_no_dtype("binary_bwd", dx, e);
    if (dsc_cuda_space_of(&moving, dy->rank, dy->dim, 4, walks, true, false) == 0 ||
        dsc_cuda_space_of(&still, dy->rank, dy->dim, 4, walks, false, true) == 0)
        return DSC_OK;
    return dsc_cuda_check(
        dsc_cuda_binary_bwd(dsc_cuda_stream(d), (int)fn, side, dx->dtype == DSC_F64, &moving,
                            &still, dsc_cuda_is_side_by_side(dy->rank, dy->dim, &xw), dx->data,
                            dy->data, (a ? a : dy)->data, (b ? b : dy)->data),
        "binary_bwd", e);
}

enum dsc_status dsc_cuda_prim_select(struct dsc_device *d, const struct dsc_tensor *y,
                                     const struct dsc_tensor *c, const struct dsc_tensor *a,
                                     const struct dsc_tensor *b, struct dsc_err *e)
{
    const struct dsc_walk yw = dsc_walk_broadcast(y, y->rank);
    const struct dsc_walk cw = dsc_walk_broadcast(c, y->rank);
    const struct dsc_walk aw = dsc_walk_broadcast(a, y->rank);
    const struct dsc_walk bw = dsc_walk_broadcast(b, y->rank);
    const struct dsc_walk *const walks[] = {&yw, &cw, &aw, &bw};
    struct dsc_cuda_space s;

    if (dsc_dtype_bits(y->dtype) < 8)
        return dsc_cuda_no_dtype("select", y, e);
    if (dsc_cuda_space_of(&s, y->rank, y->dim, 4, walks, true, true) == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_select_by(dsc_cuda_stream(d), dsc_dtype_bits(y->dtype) / 8, &s,
                                             y->data, c->data, a->data, b->data),
                          "select", e);
}

enum dsc_status dsc_cuda_prim_cast(struct dsc_device *d, const struct dsc_tensor *y,
                                   const struct dsc_tensor *x, struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(x);
    enum dsc_cuda_elem to, from;

    if (y->dtype == x->dtype && dsc_dtype_bits(x->dtype) >= 8) {
        struct dsc_walk w = {0};

        dsc_dense_strides(x->rank, x->dim, w.stride);
        return dsc_cuda_prim_copy(d, x->rank, x->dim, y, &w, x, &w, e);
    }
    if (!dsc_cuda_elem_of(x->dtype, &from))
        return dsc_cuda_no_dtype("cast", x, e);
    if (!dsc_cuda_elem_of(y->dtype, &to))
        return dsc_cuda_no_dtype("cast", y, e);
    if (n == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_cast(dsc_cuda_stream(d), to, from, n, y->data, x->data), "cast",
                          e);
}

/* Walks of x and of the result with 0 along the axes that go; false where nothing is left. */
struct reduction {
    struct dsc_walk of_x, of_y;
    struct dsc_cuda_space kept, gone;
    int64_t n_kept, n_gone;
};

static void make_reduction(struct reduction *r, uint32_t axes, const struct dsc_tensor *x,
                           bool is_x_first)
{
    int64_t step = 1;
    struct dsc_walk marks = {0}; /* not 0 along the axes that stay */
    const struct dsc_walk *walks[3] = {&marks, is_x_first ? &r->of_x : &r->of_y,
                                       is_x_first ? &r->of_y : &r->of_x};

    *r = (struct reduction){0};
    dsc_dense_strides(x->rank, x->dim, r->of_x.stride);
    for (int i = x->rank - 1; i >= 0; i--) {
        if (axes >> i & 1)
            continue;
        marks.stride[i] = r->of_y.stride[i] = step;
        step *= x->dim[i];
    }
    r->n_kept = dsc_cuda_space_of(&r->kept, x->rank, x->dim, 3, walks, true, false);
    r->n_gone = dsc_cuda_space_of(&r->gone, x->rank, x->dim, 3, walks, false, true);
    for (int w = 0; w < 2; w++) { /* the marks have done their work */
        memcpy(r->kept.stride[w], r->kept.stride[w + 1], sizeof r->kept.stride[w]);
        memcpy(r->gone.stride[w], r->gone.stride[w + 1], sizeof r->gone.stride[w]);
    }
}

enum dsc_status dsc_cuda_prim_reduce(struct dsc_device *d, enum dsc_reduce_fn fn, uint32_t axes,
                                     const struct dsc_tensor *y, const struct dsc_tensor *x,
                                     struct dsc_err *e)
{
    struct reduction r;

    if (!dsc_cuda_is_f32_or_f64(x))
        return dsc_cuda_no_dtype("reduce", x, e);
    make_reduction(&r, axes, x, false);
    if (r.n_kept == 0)
        return DSC_OK;
    return dsc_cuda_check(
        dsc_cuda_reduce(dsc_cuda_stream(d), (int)fn, x->dtype == DSC_F64, &r.kept, &r.gone,
                        dsc_cuda_is_side_by_side(x->rank, x->dim, &r.of_y), y->data, x->data),
        "reduce", e);
}

enum dsc_status dsc_cuda_prim_reduce_bwd(struct dsc_device *d, enum dsc_reduce_fn fn, uint32_t axes,
                                         const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                         const struct dsc_tensor *x, const struct dsc_tensor *y,
                                         struct dsc_err *e)
{
    struct reduction r;

    if (!dsc_cuda_is_f32_or_f64(dx))
        return dsc_cuda_no_dtype("reduce_bwd", dx, e);
    make_reduction(&r, axes, dx, true);
    if (r.n_kept == 0 || r.n_gone == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_reduce_bwd(dsc_cuda_stream(d), (int)fn, dx->dtype == DSC_F64,
                                              &r.kept, &r.gone, dx->data, dy->data,
                                              x ? x->data : NULL, y ? y->data : NULL),
                          "reduce_bwd", e);
}

enum dsc_status dsc_cuda_prim_cumsum(struct dsc_device *d, bool is_exclusive, bool is_reverse,
                                     struct dsc_axis_view v, const struct dsc_tensor *y,
                                     const struct dsc_tensor *x, struct dsc_err *e)
{
    enum dsc_cuda_elem elem;

    if (!dsc_cuda_elem_of(x->dtype, &elem) || elem == DSC_CUDA_ELEM_BOOL)
        return dsc_cuda_no_dtype("cumsum", x, e);
    if (v.outer == 0 || v.n == 0 || v.inner == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_cumsum(dsc_cuda_stream(d), is_exclusive, is_reverse, elem,
                                          v.outer, v.n, v.inner, y->data, x->data),
                          "cumsum", e);
}
