/* Primitives of rows: gather, scatter, index_elements, norm; dropout and the optimizers. */
#include "device/cuda/cuda.h"

#include <inttypes.h>

/* Device memory for the length of one call; the stream keeps the order of who uses it. */
static enum dsc_status scratch(struct dsc_device *d, struct dsc_tensor *t, enum dsc_dtype dtype,
                               int64_t n, struct dsc_err *e)
{
    return dsc_device_tensor(d, t, dtype, 1, &n, e);
}

static enum dsc_status bad_index(struct dsc_device *d, const struct dsc_tensor *idx, int64_t at,
                                 int64_t n, struct dsc_err *e)
{
    const size_t n_bytes = dsc_dtype_bytes(idx->dtype, 1);
    int64_t wide = 0;
    int32_t narrow = 0;
    void *v = idx->dtype == DSC_I64 ? (void *)&wide : (void *)&narrow;

    DSC_TRY(d->download(d, v, (const char *)idx->data + (size_t)at * n_bytes, n_bytes, e));
    return dsc_fail(e, DSC_E_RANGE,
                    "index %" PRId64 " (element %" PRId64 " of the indices) is not in [%" PRId64
                    ", %" PRId64 ")",
                    idx->dtype == DSC_I64 ? wide : narrow, at, -n, n);
}

static enum dsc_status check_indices(struct dsc_device *d, const struct dsc_tensor *idx, int64_t n,
                                     struct dsc_err *e)
{
    const int64_t n_idx = dsc_tensor_n_elems(idx);
    struct dsc_tensor bad;
    int64_t first = INT64_MAX;
    enum dsc_status st;

    if (idx->dtype != DSC_I32 && idx->dtype != DSC_I64)
        return dsc_fail(e, DSC_E_TYPE, "indices are %s, not i32 or i64",
                        dsc_dtype_text(idx->dtype));
    if (n_idx == 0)
        return DSC_OK;
    DSC_TRY(scratch(d, &bad, DSC_I64, 1, e));
    st = dsc_cuda_check(dsc_cuda_check_indices(dsc_cuda_stream(d), dsc_dtype_bits(idx->dtype) / 8,
                                               n_idx, idx->data, n, bad.data),
                        "indices", e);
    if (st == DSC_OK)
        st = d->download(d, &first, bad.data, sizeof first, e);
    dsc_tensor_clear(&bad);
    if (st == DSC_OK && first != INT64_MAX)
        st = bad_index(d, idx, first, n, e);
    return st;
}

static struct dsc_cuda_rows rows_of(struct dsc_axis_view v, const struct dsc_tensor *t,
                                    const struct dsc_tensor *idx)
{
    return (struct dsc_cuda_rows){.outer = v.outer,
                                  .n = v.n,
                                  .inner = v.inner,
                                  .idx_bytes = dsc_dtype_bits(idx->dtype) / 8,
                                  .elem_bytes = dsc_dtype_bits(t->dtype) / 8,
                                  .n_idx = dsc_tensor_n_elems(idx),
                                  .idx = idx->data};
}

enum dsc_status dsc_cuda_prim_gather(struct dsc_device *d, struct dsc_axis_view v,
                                     const struct dsc_tensor *y, const struct dsc_tensor *x,
                                     const struct dsc_tensor *idx, struct dsc_err *e)
{
    const struct dsc_cuda_rows r = rows_of(v, x, idx);

    if (r.elem_bytes == 0)
        return dsc_cuda_no_dtype("gather", x, e);
    DSC_TRY(check_indices(d, idx, v.n, e));
    if (v.outer == 0 || r.n_idx == 0 || v.inner == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_gather(dsc_cuda_stream(d), &r, y->data, x->data), "gather", e);
}

enum dsc_status dsc_cuda_prim_scatter(struct dsc_device *d, enum dsc_scatter how,
                                      struct dsc_axis_view v, const struct dsc_tensor *y,
                                      const struct dsc_tensor *idx, const struct dsc_tensor *u,
                                      struct dsc_err *e)
{
    const struct dsc_cuda_rows r = rows_of(v, y, idx);
    enum dsc_cuda_elem elem = DSC_CUDA_ELEM_BOOL;

    if (how != DSC_SCATTER_NONE && how != DSC_SCATTER_ADD)
        return dsc_fail(e, DSC_E_UNSUPPORTED, "scatter by products or limits on cuda");
    if (how == DSC_SCATTER_ADD &&
        (!dsc_cuda_elem_of(y->dtype, &elem) || elem == DSC_CUDA_ELEM_BOOL))
        return dsc_cuda_no_dtype("scatter", y, e);
    if (r.elem_bytes == 0)
        return dsc_cuda_no_dtype("scatter", y, e);
    DSC_TRY(check_indices(d, idx, v.n, e));
    if (v.outer == 0 || r.n_idx == 0 || v.inner == 0)
        return DSC_OK;
    if (how == DSC_SCATTER_NONE)
        return dsc_cuda_check(dsc_cuda_scatter(dsc_cuda_stream(d), &r, y->data, u ? u->data : NULL),
                              "scatter", e);
    return dsc_cuda_check(dsc_cuda_scatter_add(dsc_cuda_stream(d), &r, elem, y->data, u->data),
                          "scatter", e);
}

enum dsc_status dsc_cuda_prim_index_elements(struct dsc_device *d, int rank, const int64_t *dim,
                                             int axis, const struct dsc_tensor *flat,
                                             const struct dsc_tensor *idx, struct dsc_err *e)
{
    struct dsc_cuda_space s = {.rank = rank};
    int64_t stride[DSC_MAX_RANK];

    DSC_TRY(check_indices(d, idx, dim[axis], e));
    if (dsc_tensor_n_elems(idx) == 0)
        return DSC_OK;
    dsc_dense_strides(rank, dim, stride);
    for (int k = 0; k < rank; k++) {
        s.dim[k] = idx->dim[k];
        s.stride[0][k] = k == axis ? 0 : stride[k];
    }
    return dsc_cuda_check(dsc_cuda_index_elements(dsc_cuda_stream(d), &s,
                                                  dsc_dtype_bits(idx->dtype) / 8, dim[axis],
                                                  stride[axis], flat->data, idx->data),
                          "index_elements", e);
}

static void *data_of(const struct dsc_tensor *t)
{
    return t ? t->data : NULL;
}

enum dsc_status dsc_cuda_prim_norm(struct dsc_device *d, const struct dsc_norm_spec *spec,
                                   const struct dsc_tensor *y, const struct dsc_tensor *mean,
                                   const struct dsc_tensor *inv, const struct dsc_tensor *x,
                                   const struct dsc_tensor *gain, const struct dsc_tensor *bias,
                                   struct dsc_err *e)
{
    const struct dsc_cuda_norm_args g = {.is_double = x->dtype == DSC_F64,
                                         .n_rows = spec->n_rows,
                                         .n = spec->n,
                                         .n_channels = spec->n_channels,
                                         .epsilon = spec->epsilon,
                                         .y = y->data,
                                         .mean = data_of(mean),
                                         .inv = data_of(inv),
                                         .x = x->data,
                                         .gain = gain->data,
                                         .bias = data_of(bias)};

    if (!dsc_cuda_is_f32_or_f64(x))
        return dsc_cuda_no_dtype("norm", x, e);
    if (g.n_rows == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_norm(dsc_cuda_stream(d), &g), "norm", e);
}

enum dsc_status dsc_cuda_prim_norm_bwd(struct dsc_device *d, const struct dsc_norm_spec *spec,
                                       const struct dsc_norm_grads *g, const struct dsc_tensor *x,
                                       const struct dsc_tensor *gain, struct dsc_err *e)
{
    struct dsc_cuda_norm_args n = {.is_double = x->dtype == DSC_F64,
                                   .n_rows = spec->n_rows,
                                   .n = spec->n,
                                   .n_channels = spec->n_channels,
                                   .epsilon = spec->epsilon,
                                   .x = x->data,
                                   .gain = gain->data,
                                   .dx = data_of(g->dx),
                                   .dgain = data_of(g->dgain),
                                   .dbias = data_of(g->dbias),
                                   .dy = data_of(g->dy),
                                   .dmean = data_of(g->dmean),
                                   .dinv = data_of(g->dinv)};
    struct dsc_tensor stats;
    enum dsc_status st;

    if (!dsc_cuda_is_f32_or_f64(x))
        return dsc_cuda_no_dtype("norm_bwd", x, e);
    if (n.n_rows == 0)
        return DSC_OK;
    DSC_TRY(scratch(d, &stats, DSC_F64, 2 * n.n_rows, e));
    n.row_mean = stats.data;
    n.row_inv = n.row_mean + n.n_rows;
    st = dsc_cuda_check(dsc_cuda_norm_bwd(dsc_cuda_stream(d), &n), "norm_bwd", e);
    dsc_tensor_clear(&stats);
    return st;
}

static enum dsc_status drop(struct dsc_device *d, double ratio, struct dsc_cuda_dropout_args *g,
                            struct dsc_rng_key key, const int64_t *ids, const struct dsc_tensor *y,
                            const struct dsc_tensor *x, struct dsc_err *e)
{
    struct dsc_tensor of_examples = {0};
    enum dsc_status st = DSC_OK;

    if (!dsc_cuda_is_f32_or_f64(y))
        return dsc_cuda_no_dtype("dropout", y, e);
    g->n = dsc_tensor_n_elems(y);
    if (g->n == 0)
        return DSC_OK;
    g->is_double = y->dtype == DSC_F64;
    g->threshold = (uint32_t)(ratio * 0x1p32); /* 0 keeps all */
    g->scale = 1 / (1 - ratio);
    g->key[0] = key.k[0];
    g->key[1] = key.k[1];
    g->y = y->data;
    g->x = x->data;
    if (g->n_per_example < 1)
        g->n_per_example = 1;
    if (ids) {
        const int64_t n_ids = (g->n + g->n_per_example - 1) / g->n_per_example;

        DSC_TRY(scratch(d, &of_examples, DSC_I64, n_ids, e));
        st = d->upload(d, of_examples.data, ids, (size_t)n_ids * sizeof *ids, e);
        g->ids = of_examples.data;
    }
    if (st == DSC_OK)
        st = dsc_cuda_check(dsc_cuda_dropout(dsc_cuda_stream(d), g), "dropout", e);
    dsc_tensor_clear(&of_examples);
    return st;
}

enum dsc_status dsc_cuda_prim_dropout(struct dsc_device *d, double ratio, struct dsc_rng_key key,
                                      int64_t n_per_example, const int64_t *ids,
                                      const struct dsc_tensor *y, const struct dsc_tensor *mask,
                                      const struct dsc_tensor *x, struct dsc_err *e)
{
    struct dsc_cuda_dropout_args g = {.n_per_example = n_per_example, .mask = data_of(mask)};

    return drop(d, ratio, &g, key, ids, y, x, e);
}

enum dsc_status dsc_cuda_prim_dropout_bwd(struct dsc_device *d, double ratio,
                                          struct dsc_rng_key key, int64_t n_per_example,
                                          const int64_t *ids, const struct dsc_tensor *dx,
                                          const struct dsc_tensor *dy, struct dsc_err *e)
{
    struct dsc_cuda_dropout_args g = {.n_per_example = n_per_example, .is_adding = true};

    return drop(d, ratio, &g, key, ids, dx, dy, e);
}

enum dsc_status dsc_cuda_prim_adamw(struct dsc_device *d, const struct dsc_adamw *p,
                                    const struct dsc_tensor *w, const struct dsc_tensor *m,
                                    const struct dsc_tensor *v, const struct dsc_tensor *g,
                                    struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(w);

    if (w->dtype != DSC_F32)
        return dsc_cuda_no_dtype("adamw", w, e);
    if (n == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_adamw(dsc_cuda_stream(d), n, (float)p->lr, (float)p->beta1,
                                         (float)p->beta2, (float)p->eps, (float)p->decay,
                                         (float)p->c1, (float)p->c2, (float)p->grad_scale, w->data,
                                         m->data, v->data, g->data),
                          "adamw", e);
}

enum dsc_status dsc_cuda_prim_sgd(struct dsc_device *d, const struct dsc_sgd *p,
                                  const struct dsc_tensor *w, const struct dsc_tensor *m,
                                  const struct dsc_tensor *g, struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(w);

    if (w->dtype != DSC_F32)
        return dsc_cuda_no_dtype("sgd", w, e);
    if (n == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_sgd(dsc_cuda_stream(d), n, (float)p->lr, (float)p->momentum,
                                       (float)p->decay, (float)p->grad_scale, w->data, m->data,
                                       g->data),
                          "sgd", e);
}

enum dsc_status dsc_cuda_prim_sum_squares(struct dsc_device *d, double *sum,
                                          const struct dsc_tensor *x, struct dsc_err *e)
{
    double parts[DSC_CUDA_PARTS];
    struct dsc_tensor t;
    enum dsc_status st;

    if (x->dtype != DSC_F32)
        return dsc_cuda_no_dtype("sum_squares", x, e);
    DSC_TRY(scratch(d, &t, DSC_F64, DSC_CUDA_PARTS, e));
    st = dsc_cuda_check(
        dsc_cuda_sum_squares(dsc_cuda_stream(d), dsc_tensor_n_elems(x), x->data, t.data),
        "sum_squares", e);
    if (st == DSC_OK)
        st = d->download(d, parts, t.data, sizeof parts, e);
    dsc_tensor_clear(&t);
    *sum = 0;
    for (int i = 0; st == DSC_OK && i < DSC_CUDA_PARTS; i++)
        *sum += parts[i];
    return st;
}
