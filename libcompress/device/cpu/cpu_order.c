/* arg and top_k: places of extreme elements along an axis. Ties are decided by place alone. */
#include "device/cpu/cpu.h"

#include <string.h>

struct order_job {
    struct dsc_axis_view v;
    const struct dsc_tensor *y, *idx, *x;
    bool is_largest, is_last;
    int64_t k, n_slices, per_tile;
};

/* -1, 0, 1 as a sorts before, with, or behind b in ascending order; NaN is above all. */
static int compare(const struct dsc_tensor *t, int64_t a, int64_t b)
{
    if (dsc_dtype_is_float(t->dtype)) {
        const double va = dsc_tensor_get_f64(t, a), vb = dsc_tensor_get_f64(t, b);

        if (va != va || vb != vb)
            return (va != va) - (vb != vb);
        return (va > vb) - (va < vb);
    }
    const int64_t va = dsc_tensor_get_i64(t, a), vb = dsc_tensor_get_i64(t, b);

    if (t->dtype == DSC_U64)
        return ((uint64_t)va > (uint64_t)vb) - ((uint64_t)va < (uint64_t)vb);
    return (va > vb) - (va < vb);
}

static int64_t base_of(const struct order_job *j, int64_t slice)
{
    return slice / j->v.inner * j->v.n * j->v.inner + slice % j->v.inner;
}

/* Classes of a row of f32 are what is asked for most; its loop has no calls. */
static int64_t arg_f32(const float *x, int64_t n, bool is_max, bool is_last)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n && x[best] == x[best]; i++) {
        const bool is_better = is_max ? x[i] > x[best] : x[i] < x[best];

        if (is_better || (is_last && x[i] == x[best]) || x[i] != x[i])
            best = i;
    }
    return best;
}

static int64_t arg_slice(const struct order_job *j, int64_t base)
{
    int64_t best = 0;

    if (j->x->dtype == DSC_F32 && j->v.inner == 1)
        return arg_f32((const float *)j->x->data + base, j->v.n, j->is_largest, j->is_last);
    for (int64_t i = 1; i < j->v.n; i++) {
        const int64_t a = base + i * j->v.inner, b = base + best * j->v.inner;
        const bool is_nan = dsc_dtype_is_float(j->x->dtype) &&
                            dsc_tensor_get_f64(j->x, b) != dsc_tensor_get_f64(j->x, b);
        int c = compare(j->x, a, b);

        if (is_nan)
            break;
        if (!j->is_largest && (!dsc_dtype_is_float(j->x->dtype) ||
                               dsc_tensor_get_f64(j->x, a) == dsc_tensor_get_f64(j->x, a)))
            c = -c;
        if (c > 0 || (c == 0 && j->is_last))
            best = i;
    }
    return best;
}

static void arg_tile(void *ctx, int64_t tile)
{
    const struct order_job *j = ctx;
    const int64_t end = (tile + 1) * j->per_tile;

    for (int64_t s = tile * j->per_tile; s < end && s < j->n_slices; s++)
        ((int64_t *)j->y->data)[s] = arg_slice(j, base_of(j, s));
}

static void run(struct dsc_device *d, struct order_job *j, void (*fn)(void *, int64_t))
{
    j->n_slices = j->v.outer * j->v.inner;
    j->per_tile = DSC_CPU_TILE / (j->v.n + 1) + 1;
    dsc_parallel_for(d->pool, (j->n_slices + j->per_tile - 1) / j->per_tile, fn, j);
}

enum dsc_status dsc_cpu_arg(struct dsc_device *d, bool is_max, bool is_last, struct dsc_axis_view v,
                            const struct dsc_tensor *y, const struct dsc_tensor *x,
                            struct dsc_err *e)
{
    struct order_job j = {.v = v, .y = y, .x = x, .is_largest = is_max, .is_last = is_last};

    if (v.n == 0 && v.outer * v.inner > 0)
        return dsc_fail(e, DSC_E_SHAPE, "there is no largest of no elements");
    run(d, &j, arg_tile);
    return DSC_OK;
}

/* Element a of the slice comes before b in the output's order, which is total. */
static bool is_before(const struct order_job *j, int64_t base, int64_t a, int64_t b)
{
    const int c = compare(j->x, base + a * j->v.inner, base + b * j->v.inner);

    return c == 0 ? a < b : j->is_largest ? c > 0 : c < 0;
}

/* A heap of places with the last in order on top, kept in the output (stride inner). */
static void sift_down(const struct order_job *j, int64_t base, int64_t *heap, int64_t n, int64_t at)
{
    const int64_t step = j->v.inner;

    for (;;) {
        int64_t child = 2 * at + 1, place;

        if (child >= n)
            return;
        if (child + 1 < n && is_before(j, base, heap[child * step], heap[(child + 1) * step]))
            child++;
        if (!is_before(j, base, heap[at * step], heap[child * step]))
            return;
        place = heap[at * step];
        heap[at * step] = heap[child * step];
        heap[child * step] = place;
        at = child;
    }
}

static void top_slice(const struct order_job *j, int64_t base, int64_t *heap)
{
    const int64_t step = j->v.inner;

    for (int64_t i = 0; i < j->k; i++)
        heap[i * step] = i;
    for (int64_t i = j->k / 2 - 1; i >= 0; i--)
        sift_down(j, base, heap, j->k, i);
    for (int64_t i = j->k; i < j->v.n; i++) {
        if (!is_before(j, base, i, heap[0]))
            continue;
        heap[0] = i;
        sift_down(j, base, heap, j->k, 0);
    }
    for (int64_t n = j->k - 1; n > 0; n--) { /* the last in order goes to the end */
        const int64_t last = heap[0];

        heap[0] = heap[n * step];
        heap[n * step] = last;
        sift_down(j, base, heap, n, 0);
    }
}

static void top_tile(void *ctx, int64_t tile)
{
    const struct order_job *j = ctx;
    const size_t elem_bytes = dsc_dtype_bytes(j->x->dtype, 1);
    const int64_t end = (tile + 1) * j->per_tile;

    for (int64_t s = tile * j->per_tile; s < end && s < j->n_slices && j->k > 0; s++) {
        const int64_t base = base_of(j, s);
        const int64_t first = s / j->v.inner * j->k * j->v.inner + s % j->v.inner;
        int64_t *place = (int64_t *)j->idx->data + first;

        top_slice(j, base, place);
        for (int64_t i = 0; i < j->k; i++) {
            const int64_t from = base + place[i * j->v.inner] * j->v.inner;
            const int64_t to = first + i * j->v.inner;

            memcpy((char *)j->y->data + (size_t)to * elem_bytes,
                   (const char *)j->x->data + (size_t)from * elem_bytes, elem_bytes);
        }
    }
}

enum dsc_status dsc_cpu_top_k(struct dsc_device *d, bool is_largest, int64_t k,
                              struct dsc_axis_view v, const struct dsc_tensor *y,
                              const struct dsc_tensor *idx, const struct dsc_tensor *x,
                              struct dsc_err *e)
{
    struct order_job j = {.v = v, .y = y, .idx = idx, .x = x, .is_largest = is_largest, .k = k};

    if (dsc_dtype_bits(x->dtype) < 8)
        return dsc_cpu_no_dtype("top_k", x, e);
    if (k < 0 || k > v.n)
        return dsc_fail(e, DSC_E_RANGE, "the first %lld of %lld elements", (long long)k,
                        (long long)v.n);
    run(d, &j, top_tile);
    return DSC_OK;
}
