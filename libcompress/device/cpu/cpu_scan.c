/* cumsum, one_hot, trilu, is_special: what walks an axis or looks at each element once. */
#include "device/cpu/cpu.h"

#include <math.h>
#include <string.h>

struct scan_job {
    struct dsc_axis_view v;
    const struct dsc_tensor *y, *x, *values;
    bool is_exclusive, is_reverse, has_nan, has_pos_inf, has_neg_inf;
    int64_t k, n, per_tile;
};

/* One slice along n; sums of floats in double, of integers modulo 2^64. */
#define SCAN(T_, S_, sfx)                                                    \
    static void scan_##sfx(const struct scan_job *j, int64_t base)           \
    {                                                                        \
        const int64_t step = j->is_reverse ? -j->v.inner : j->v.inner;       \
        int64_t at = base + (j->is_reverse ? (j->v.n - 1) * j->v.inner : 0); \
        const T_ *x = j->x->data;                                            \
        T_ *y = j->y->data;                                                  \
        S_ sum = 0;                                                          \
        for (int64_t i = 0; i < j->v.n; i++, at += step) {                   \
            const S_ next = sum + (S_)x[at];                                 \
            y[at] = (T_)(j->is_exclusive ? sum : next);                      \
            sum = next;                                                      \
        }                                                                    \
    }

SCAN(float, double, f32)
SCAN(double, double, f64)
SCAN(uint32_t, uint64_t, u32)
SCAN(uint64_t, uint64_t, u64)

static void cumsum_tile(void *ctx, int64_t tile)
{
    const struct scan_job *j = ctx;
    const int64_t end = (tile + 1) * j->per_tile;

    for (int64_t s = tile * j->per_tile; s < end && s < j->n; s++) {
        const int64_t base = s / j->v.inner * j->v.n * j->v.inner + s % j->v.inner;

        if (j->x->dtype == DSC_F32)
            scan_f32(j, base);
        else if (j->x->dtype == DSC_F64)
            scan_f64(j, base);
        else if (dsc_dtype_bits(j->x->dtype) == 32)
            scan_u32(j, base);
        else
            scan_u64(j, base);
    }
}

enum dsc_status dsc_cpu_cumsum(struct dsc_device *d, bool is_exclusive, bool is_reverse,
                               struct dsc_axis_view v, const struct dsc_tensor *y,
                               const struct dsc_tensor *x, struct dsc_err *e)
{
    struct scan_job j = {
        .v = v, .y = y, .x = x, .is_exclusive = is_exclusive, .is_reverse = is_reverse};

    if (dsc_cpu_is_half(x)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_cumsum(d, is_exclusive, is_reverse, v,
                                                 dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1), e));
    }
    if (dsc_dtype_bits(x->dtype) < 32)
        return dsc_cpu_no_dtype("cumsum", x, e);
    j.n = v.outer * v.inner;
    j.per_tile = DSC_CPU_TILE / (v.n + 1) + 1;
    dsc_parallel_for(d->pool, (j.n + j.per_tile - 1) / j.per_tile, cumsum_tile, &j);
    return DSC_OK;
}

static void one_hot_tile(void *ctx, int64_t tile)
{
    const struct scan_job *j = ctx;
    const size_t elem_bytes = dsc_dtype_bytes(j->y->dtype, 1);
    const char *off = j->values->data, *on = off + elem_bytes;
    const int64_t end = (tile + 1) * j->per_tile;

    for (int64_t s = tile * j->per_tile; s < end && s < j->n; s++) {
        const int64_t at = dsc_tensor_get_i64(j->x, s);
        const int64_t base = s / j->v.inner * j->v.n * j->v.inner + s % j->v.inner;
        const int64_t hot = at < 0 && at >= -j->v.n ? at + j->v.n : at;

        for (int64_t i = 0; i < j->v.n; i++)
            memcpy((char *)j->y->data + (size_t)(base + i * j->v.inner) * elem_bytes,
                   i == hot ? on : off, elem_bytes);
    }
}

enum dsc_status dsc_cpu_one_hot(struct dsc_device *d, struct dsc_axis_view v,
                                const struct dsc_tensor *y, const struct dsc_tensor *idx,
                                const struct dsc_tensor *values, struct dsc_err *e)
{
    struct scan_job j = {.v = v, .y = y, .x = idx, .values = values, .n = v.outer * v.inner};

    if (dsc_dtype_bits(y->dtype) < 8)
        return dsc_cpu_no_dtype("one_hot", y, e);
    j.per_tile = DSC_CPU_TILE / (v.n + 1) + 1;
    dsc_parallel_for(d->pool, (j.n + j.per_tile - 1) / j.per_tile, one_hot_tile, &j);
    return DSC_OK;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* One row of a matrix: kept are columns [first, last). */
static void trilu_tile(void *ctx, int64_t tile)
{
    const struct scan_job *j = ctx;
    const size_t elem_bytes = dsc_dtype_bytes(j->y->dtype, 1);
    const int64_t n_cols = j->v.inner, end = (tile + 1) * j->per_tile;

    for (int64_t r = tile * j->per_tile; r < end && r < j->n; r++) {
        const int64_t cut = r % j->v.n + j->k + (j->is_reverse ? 0 : 1);
        const int64_t first = j->is_reverse ? clamp(cut, 0, n_cols) : 0;
        const int64_t last = j->is_reverse ? n_cols : clamp(cut, 0, n_cols);
        const size_t at = (size_t)(r * n_cols) * elem_bytes;
        char *y = (char *)j->y->data + at;

        memset(y, 0, (size_t)n_cols * elem_bytes);
        memcpy(y + (size_t)first * elem_bytes,
               (const char *)j->x->data + at + (size_t)first * elem_bytes,
               (size_t)(last - first) * elem_bytes);
    }
}

enum dsc_status dsc_cpu_trilu(struct dsc_device *d, bool is_upper, int64_t k,
                              const struct dsc_tensor *y, const struct dsc_tensor *x,
                              struct dsc_err *e)
{
    struct scan_job j = {.v = dsc_axis_view(x, x->rank - 2), .y = y, .x = x};

    if (dsc_dtype_bits(x->dtype) < 8)
        return dsc_cpu_no_dtype("trilu", x, e);
    j.is_reverse = is_upper;
    j.k = clamp(k, -j.v.n - 1, j.v.inner + 1); /* beyond it nothing changes */
    j.n = j.v.outer * j.v.n;
    j.per_tile = DSC_CPU_TILE / (j.v.inner + 1) + 1;
    if (j.v.inner > 0)
        dsc_parallel_for(d->pool, (j.n + j.per_tile - 1) / j.per_tile, trilu_tile, &j);
    return DSC_OK;
}

static void special_tile(void *ctx, int64_t tile)
{
    const struct scan_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);
    bool *y = j->y->data;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        const double v = j->x->dtype == DSC_F32 ? (double)((const float *)j->x->data)[i]
                                                : dsc_tensor_get_f64(j->x, i);

        y[i] = (j->has_nan && v != v) || (j->has_pos_inf && v == INFINITY) ||
               (j->has_neg_inf && v == -INFINITY);
    }
}

enum dsc_status dsc_cpu_is_special(struct dsc_device *d, bool has_nan, bool has_pos_inf,
                                   bool has_neg_inf, const struct dsc_tensor *y,
                                   const struct dsc_tensor *x, struct dsc_err *e)
{
    struct scan_job j = {.y = y,
                         .x = x,
                         .has_nan = has_nan,
                         .has_pos_inf = has_pos_inf,
                         .has_neg_inf = has_neg_inf,
                         .n = dsc_tensor_n_elems(x)};

    if (!dsc_dtype_is_float(x->dtype))
        return dsc_cpu_no_dtype("is_special", x, e);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), special_tile, &j);
    return DSC_OK;
}
