/*
 * The CUDA module's C side: its device, and the table of its primitives. A primitive that has no
 * row here is UNSUPPORTED by name; nothing falls back to the host.
 */
#include "device/cuda/cuda.h"

#include "device/backend.h"

#include <stdlib.h>
#include <string.h>

enum dsc_status dsc_cuda_prim_map(struct dsc_device *d, enum dsc_map_fn fn, struct dsc_map_param p,
                                  const struct dsc_tensor *y, const struct dsc_tensor *x,
                                  struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(x);

    if (!dsc_cuda_is_f32_or_f64(x))
        return dsc_cuda_no_dtype("map", x, e);
    if (n == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_map(dsc_cuda_stream(d), (int)fn, x->dtype == DSC_F64, n, p.alpha,
                                       p.beta, y->data, x->data),
                          "map", e);
}

enum dsc_status dsc_cuda_prim_map_bwd(struct dsc_device *d, enum dsc_map_fn fn,
                                      struct dsc_map_param p, const struct dsc_tensor *dx,
                                      const struct dsc_tensor *dy, const struct dsc_tensor *x,
                                      const struct dsc_tensor *y, struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(dx);

    if (!dsc_cuda_is_f32_or_f64(dx))
        return dsc_cuda_no_dtype("map_bwd", dx, e);
    if (n == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_map_bwd(dsc_cuda_stream(d), (int)fn, dx->dtype == DSC_F64, n,
                                           p.alpha, p.beta, dx->data, dy->data, x ? x->data : NULL,
                                           y ? y->data : NULL),
                          "map_bwd", e);
}

enum dsc_status dsc_cuda_prim_softmax(struct dsc_device *d, bool is_log, struct dsc_axis_view v,
                                      const struct dsc_tensor *y, const struct dsc_tensor *x,
                                      struct dsc_err *e)
{
    if (!dsc_cuda_is_f32_or_f64(x))
        return dsc_cuda_no_dtype("softmax", x, e);
    if (v.outer == 0 || v.n == 0 || v.inner == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_softmax(dsc_cuda_stream(d), is_log, x->dtype == DSC_F64, v.outer,
                                           v.n, v.inner, y->data, x->data),
                          "softmax", e);
}

enum dsc_status dsc_cuda_prim_softmax_bwd(struct dsc_device *d, bool is_log, struct dsc_axis_view v,
                                          const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                          const struct dsc_tensor *y, struct dsc_err *e)
{
    if (!dsc_cuda_is_f32_or_f64(dx))
        return dsc_cuda_no_dtype("softmax_bwd", dx, e);
    if (v.outer == 0 || v.n == 0 || v.inner == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_softmax_bwd(dsc_cuda_stream(d), is_log, dx->dtype == DSC_F64,
                                               v.outer, v.n, v.inner, dx->data, dy->data, y->data),
                          "softmax_bwd", e);
}

static bool type_of(enum dsc_dtype dtype, enum dsc_cuda_type *type)
{
    *type = dtype == DSC_F32   ? DSC_CUDA_F32
            : dtype == DSC_F64 ? DSC_CUDA_F64
            : dtype == DSC_F16 ? DSC_CUDA_F16
                               : DSC_CUDA_BF16;
    return dsc_dtype_is_float(dtype);
}

enum dsc_status dsc_cuda_prim_axpy(struct dsc_device *d, double alpha, const struct dsc_tensor *y,
                                   const struct dsc_tensor *x, struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(y);
    enum dsc_cuda_type type;

    if (!type_of(y->dtype, &type))
        return dsc_cuda_no_dtype("axpy", y, e);
    if (n == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_axpy(dsc_cuda_stream(d), type, n, alpha, y->data, x->data),
                          "axpy", e);
}

enum dsc_status dsc_cuda_prim_fill(struct dsc_device *d, const struct dsc_tensor *y,
                                   const void *value, struct dsc_err *e)
{
    const int n_bits = dsc_dtype_bits(y->dtype);
    const int64_t n = dsc_tensor_n_elems(y);
    uint64_t bits = 0;

    if (n_bits < 8)
        return dsc_cuda_no_dtype("fill", y, e);
    if (n == 0)
        return DSC_OK;
    memcpy(&bits, value, (size_t)n_bits / 8);
    return dsc_cuda_check(dsc_cuda_fill(dsc_cuda_stream(d), n_bits / 8, n, y->data, bits), "fill",
                          e);
}

int64_t dsc_cuda_space_of(struct dsc_cuda_space *s, int rank, const int64_t *dim, int n_walks,
                          const struct dsc_walk *const *walks, bool is_moving, bool is_still)
{
    int64_t n = 1;

    *s = (struct dsc_cuda_space){0};
    for (int i = 0; i < rank; i++) {
        bool is_even = s->rank > 0;

        if (dim[i] == 1 || !(walks[0]->stride[i] == 0 ? is_still : is_moving))
            continue;
        n *= dim[i];
        for (int w = 0; w < n_walks && is_even; w++)
            is_even = s->stride[w][s->rank - 1] == walks[w]->stride[i] * dim[i];
        if (is_even)
            s->dim[s->rank - 1] *= dim[i];
        else
            s->dim[s->rank++] = dim[i];
        for (int w = 0; w < n_walks; w++)
            s->stride[w][s->rank - 1] = walks[w]->stride[i];
    }
    return n;
}

bool dsc_cuda_is_side_by_side(int rank, const int64_t *dim, const struct dsc_walk *walk)
{
    int last = rank - 1;

    while (last >= 0 && dim[last] == 1)
        last--;
    return last >= 0 && walk->stride[last] != 0;
}

enum dsc_status dsc_cuda_prim_copy(struct dsc_device *d, int rank, const int64_t *dim,
                                   const struct dsc_tensor *y, const struct dsc_walk *yw,
                                   const struct dsc_tensor *x, const struct dsc_walk *xw,
                                   struct dsc_err *e)
{
    const int elem_bytes = dsc_dtype_bits(x->dtype) / 8;
    const struct dsc_walk *const walks[] = {yw, xw};
    struct dsc_cuda_space s;

    if (elem_bytes == 0)
        return dsc_cuda_no_dtype("copy", x, e);
    if (dsc_cuda_space_of(&s, rank, dim, 2, walks, true, true) == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_copy(dsc_cuda_stream(d), elem_bytes, &s,
                                        (char *)y->data + yw->offset * elem_bytes,
                                        (const char *)x->data + xw->offset * elem_bytes),
                          "copy", e);
}

enum dsc_status dsc_cuda_prim_add_copy(struct dsc_device *d, int rank, const int64_t *dim,
                                       const struct dsc_tensor *y, const struct dsc_walk *yw,
                                       const struct dsc_tensor *x, const struct dsc_walk *xw,
                                       struct dsc_err *e)
{
    const struct dsc_walk *const walks[] = {yw, xw};
    const int elem_bytes = dsc_dtype_bits(x->dtype) / 8;
    struct dsc_cuda_space moving, still;

    if (!dsc_cuda_is_f32_or_f64(x))
        return dsc_cuda_no_dtype("add_copy", x, e);
    if (dsc_cuda_space_of(&moving, rank, dim, 2, walks, true, false) == 0 ||
        dsc_cuda_space_of(&still, rank, dim, 2, walks, false, true) == 0)
        return DSC_OK;
    return dsc_cuda_check(dsc_cuda_add_copy(dsc_cuda_stream(d), x->dtype == DSC_F64, &moving,
                                            &still, dsc_cuda_is_side_by_side(rank, dim, yw),
                                            (char *)y->data + yw->offset * elem_bytes,
                                            (const char *)x->data + xw->offset * elem_bytes),
                          "add_copy", e);
}

#ifdef DSC_CUDA_BLAS
static int64_t batch_at(const int64_t *list, int64_t i, int64_t n_matrix)
{
    return list ? list[i] : i * n_matrix;
}

/* True when the matrices are evenly apart, so that one call does the batch. */
static bool stride_of(const int64_t *list, int64_t n_batch, int64_t n_matrix, int64_t *stride)
{
    *stride = n_batch > 1 ? batch_at(list, 1, n_matrix) - batch_at(list, 0, n_matrix) : n_matrix;
    for (int64_t i = 1; i < n_batch; i++)
        if (batch_at(list, i, n_matrix) - batch_at(list, i - 1, n_matrix) != *stride)
            return false;
    return *stride >= 0;
}

static uint32_t alignment(const void *p)
{
    const uintptr_t bits = (uintptr_t)p | 256;

    return (uint32_t)(bits & -bits);
}

/* `count` products from number `first` on. */
static enum dsc_status multiply(struct dsc_device *d, const struct dsc_gemm_spec *s,
                                struct dsc_cuda_gemm *g, int64_t first, int64_t count,
                                const struct dsc_tensor *c, const struct dsc_tensor *a,
                                const struct dsc_tensor *b, struct dsc_err *e)
{
    const struct dsc_cuda *cu = d->state;
    const int64_t n = dsc_dtype_bits(c->dtype) / 8;
    char *cp = (char *)c->data + n * batch_at(s->batch_c, first, s->m * s->n);
    const char *ap = (const char *)a->data + n * batch_at(s->batch_a, first, s->m * s->k);
    const char *bp = (const char *)b->data + n * batch_at(s->batch_b, first, s->k * s->n);
    char text[256];

    g->n_batch = count;
    g->align_a = alignment(ap);
    g->align_b = alignment(bp);
    g->align_c = alignment(cp);
    if (dsc_cuda_blas_gemm(cu->blas, cu->stream, g, cp, ap, bp, text, sizeof text) != 0)
        return dsc_fail(e, DSC_E_DEVICE, "cuBLASLt: a product [%lld,%lld,%lld]: %s",
                        (long long)s->m, (long long)s->n, (long long)s->k, text);
    return DSC_OK;
}

static enum dsc_status load_blas(struct dsc_cuda *cu, struct dsc_err *e)
{
    char text[512];

    if (!cu->blas)
        cu->blas = dsc_cuda_blas_open(getenv("DSCOMPRESS_CUDA_LIBS"), text, sizeof text);
    if (cu->blas)
        return DSC_OK;
    dsc_fail(e, DSC_E_DEVICE, "cuBLASLt cannot be used: %s", text);
    return dsc_err_hint(e, "DSCOMPRESS_CUDA_LIBS names the folder of NVIDIA's libraries");
}

enum dsc_status dsc_cuda_prim_gemm(struct dsc_device *d, const struct dsc_gemm_spec *s,
                                   const struct dsc_tensor *c, const struct dsc_tensor *a,
                                   const struct dsc_tensor *b, struct dsc_err *e)
{
    const double zero = 0;
    struct dsc_cuda_gemm g = {.is_trans_a = s->is_trans_a,
                              .is_trans_b = s->is_trans_b,
                              .m = s->m,
                              .n = s->n,
                              .k = s->k,
                              .alpha = s->alpha,
                              .beta = s->beta};
    bool is_even;

    if (!type_of(c->dtype, &g.type) || a->dtype != c->dtype || b->dtype != c->dtype)
        return dsc_cuda_no_dtype("gemm", c, e);
    if (s->m == 0 || s->n == 0 || s->n_batch == 0)
        return DSC_OK;
    if (s->k == 0)
        return s->beta == 0 ? dsc_cuda_prim_fill(d, c, &zero, e)
                            : dsc_cuda_prim_axpy(d, s->beta - 1, c, c, e);
    if (s->m > INT32_MAX || s->n > INT32_MAX || s->k > INT32_MAX)
        return dsc_fail(e, DSC_E_LIMIT, "a matrix side over 2^31 - 1");
    DSC_TRY(load_blas(d->state, e));
    is_even = stride_of(s->batch_a, s->n_batch, s->m * s->k, &g.stride_a);
    is_even &= stride_of(s->batch_b, s->n_batch, s->k * s->n, &g.stride_b);
    is_even &= stride_of(s->batch_c, s->n_batch, s->m * s->n, &g.stride_c);
    if (is_even && s->n_batch <= INT32_MAX)
        return multiply(d, s, &g, 0, s->n_batch, c, a, b, e);
    for (int64_t i = 0; i < s->n_batch; i++)
        DSC_TRY(multiply(d, s, &g, i, 1, c, a, b, e));
    return DSC_OK;
}
#endif

#define HAS(name) .name = dsc_cuda_prim_##name
static const struct dsc_prims prims = {
    HAS(adamw),          HAS(add_copy),    HAS(axpy),        HAS(binary),  HAS(binary_bwd),
    HAS(cast),           HAS(copy),        HAS(cumsum),      HAS(dropout), HAS(dropout_bwd),
    HAS(fill),           HAS(gather),
#ifdef DSC_CUDA_BLAS
    HAS(gemm),
#endif
    HAS(index_elements), HAS(map),         HAS(map_bwd),     HAS(norm),    HAS(norm_bwd),
    HAS(reduce),         HAS(reduce_bwd),  HAS(scatter),     HAS(select),  HAS(sgd),
    HAS(softmax),        HAS(softmax_bwd), HAS(sum_squares),
};
#undef HAS

static void enter(struct dsc_device *dev)
{
    dsc_cuda_select(((struct dsc_cuda *)dev->state)->index); /* its failure is the next call's */
}

static void *cuda_alloc(struct dsc_device *dev, size_t n_bytes, struct dsc_err *err)
{
    void *p = NULL;
    int error;

    enter(dev);
    error = dsc_cuda_alloc(&p, n_bytes);
    if (error)
        dsc_fail(err, DSC_E_MEMORY, "CUDA: %zu bytes: %s", n_bytes, dsc_cuda_error_text(error));
    return p;
}

static void cuda_free(struct dsc_device *dev, void *p, size_t n_bytes)
{
    (void)n_bytes;
    enter(dev);
    dsc_cuda_free(p);
}

static enum dsc_status upload(struct dsc_device *dev, void *dst, const void *src, size_t n_bytes,
                              struct dsc_err *err)
{
    enter(dev);
    return n_bytes ? dsc_cuda_check(dsc_cuda_upload(dsc_cuda_stream(dev), dst, src, n_bytes),
                                    "upload", err)
                   : DSC_OK;
}

static enum dsc_status download(struct dsc_device *dev, void *dst, const void *src, size_t n_bytes,
                                struct dsc_err *err)
{
    enter(dev);
    return n_bytes ? dsc_cuda_check(dsc_cuda_download(dsc_cuda_stream(dev), dst, src, n_bytes),
                                    "download", err)
                   : DSC_OK;
}

static void close_device(struct dsc_device *dev)
{
    struct dsc_cuda *cu = dev->state;

    enter(dev);
#ifdef DSC_CUDA_BLAS
    dsc_cuda_blas_close(cu->blas);
#endif
    if (cu->stream)
        dsc_cuda_stream_close(cu->stream);
    dsc_heap_free(cu);
}

static enum dsc_status count(int *n_devices, struct dsc_err *err)
{
    return dsc_cuda_check(dsc_cuda_count(n_devices), "no device", err);
}

static enum dsc_status open_device(struct dsc_device *dev, int index, struct dsc_err *err)
{
    struct dsc_cuda *cu;
    int n_devices;

    DSC_TRY(count(&n_devices, err));
    if (index < 0 || index >= n_devices)
        return dsc_fail(err, DSC_E_DEVICE, "there is no device cuda:%d, there are %d (from 0)",
                        index, n_devices);
    cu = dsc_heap_alloc(1, sizeof *cu, err);
    if (!cu)
        return DSC_E_MEMORY;
    cu->index = index;
    dev->state = cu;
    dev->close = close_device;
    DSC_TRY(dsc_cuda_check(dsc_cuda_select(index), "select", err));
    DSC_TRY(dsc_cuda_check(dsc_cuda_stream_open(&cu->stream), "stream", err));
    dev->prims = &prims;
    dev->alloc = cuda_alloc;
    dev->free = cuda_free;
    dev->upload = upload;
    dev->download = download;
    dev->enter = enter;
    return DSC_OK;
}

static enum dsc_status describe(int index, char *text, size_t n_bytes, struct dsc_err *err)
{
    return dsc_cuda_check(dsc_cuda_describe(index, text, n_bytes), "describe", err);
}

static const struct dsc_backend backend = {
    .abi = DSC_BACKEND_ABI,
    .device_bytes = sizeof(struct dsc_device),
    .prims_bytes = sizeof(struct dsc_prims),
    .tensor_bytes = sizeof(struct dsc_tensor),
    .err_bytes = sizeof(struct dsc_err),
    .version = DSC_VERSION,
    .open = open_device,
    .count = count,
    .describe = describe,
};

dsc_backend_get_fn dsc_backend_get;

__attribute__((visibility("default"))) const struct dsc_backend *dsc_backend_get(void)
{
    return &backend;
}
