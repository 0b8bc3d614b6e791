/* Simulated quantization and its straight-through gradient with learned scales (LSQ). */
#include "device/cpu/cpu.h"

#include <tgmath.h>

struct fq_job {
    struct dsc_fake_quant_limits q;
    double grad_scale;
    struct dsc_axis_view v;
    const struct dsc_tensor *y, *x, *scale, *dx, *dy, *dscale;
    bool is_per_tensor;
    double *partial; /* [n_tiles]: slopes of a per-tensor scale, summed in tile order */
    int64_t n;
};

/* Scales stay above this when they are learned: a zero or negative one has no meaning. */
#define FQ_MIN_SCALE 0x1p-40

#define FQ_ROWS(T, sfx)                                                                          \
    static T scale_##sfx(const struct fq_job *j, int64_t i)                                      \
    {                                                                                            \
        const T *s = j->scale->data;                                                             \
        const T v = j->is_per_tensor ? s[0] : s[i / j->v.inner % j->v.n];                        \
        return v > (T)FQ_MIN_SCALE ? v : (T)FQ_MIN_SCALE;                                        \
    }                                                                                            \
    static void forward_##sfx(const struct fq_job *j, int64_t first, int64_t last)               \
    {                                                                                            \
        const T zero = (T)j->q.zero, low = (T)j->q.low, high = (T)j->q.high;                     \
        const T *x = j->x->data;                                                                 \
        T *y = j->y->data;                                                                       \
        for (int64_t i = first; i < last; i++) {                                                 \
            const T s = scale_##sfx(j, i), code = rint(x[i] / s) + zero;                         \
            y[i] = ((code < low ? low : code > high ? high : code) - zero) * s;                  \
        }                                                                                        \
    }                                                                                            \
    /* d y / d s = round(x/s) - x/s inside; low - zero or high - zero where x/s is at an edge or \
     * beyond it */                                                                              \
    static T backward_##sfx(const struct fq_job *j, int64_t i)                                   \
    {                                                                                            \
        const T low = (T)(j->q.low - j->q.zero), high = (T)(j->q.high - j->q.zero);              \
        const T r = ((const T *)j->x->data)[i] / scale_##sfx(j, i);                              \
        const T dy = ((const T *)j->dy->data)[i];                                                \
        if (r <= low)                                                                            \
            return dy * low;                                                                     \
        if (r >= high)                                                                           \
            return dy * high;                                                                    \
        if (j->dx)                                                                               \
            ((T *)j->dx->data)[i] += dy;                                                         \
        return dy * (rint(r) - r);                                                               \
    }

FQ_ROWS(float, f32)
FQ_ROWS(double, f64)

static void forward_tile(void *ctx, int64_t tile)
{
    const struct fq_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);

    if (j->x->dtype == DSC_F32)
        forward_f32(j, tile * DSC_CPU_TILE, end);
    else
        forward_f64(j, tile * DSC_CPU_TILE, end);
}

static double slope_at(const struct fq_job *j, int64_t i)
{
    return j->x->dtype == DSC_F32 ? (double)backward_f32(j, i) : backward_f64(j, i);
}

static void backward_tile(void *ctx, int64_t tile)
{
    const struct fq_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);
    double sum = 0;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++)
        sum += slope_at(j, i);
    j->partial[tile] = sum;
}

static void add_scale_grad(const struct fq_job *j, int64_t k, double sum)
{
    if (!j->dscale)
        return;
    if (j->dscale->dtype == DSC_F32)
        ((float *)j->dscale->data)[k] += (float)(sum * j->grad_scale);
    else
        ((double *)j->dscale->data)[k] += sum * j->grad_scale;
}

/* One tile is one channel: its elements are [outer] runs of [inner]. */
static void backward_channel(void *ctx, int64_t k)
{
    const struct fq_job *j = ctx;
    double sum = 0;

    for (int64_t o = 0; o < j->v.outer; o++)
        for (int64_t i = 0; i < j->v.inner; i++)
            sum += slope_at(j, (o * j->v.n + k) * j->v.inner + i);
    add_scale_grad(j, k, sum);
}

enum dsc_status dsc_cpu_fake_quant(struct dsc_device *d, struct dsc_fake_quant_limits q,
                                   struct dsc_axis_view v, const struct dsc_tensor *y,
                                   const struct dsc_tensor *x, const struct dsc_tensor *scale,
                                   struct dsc_err *e)
{
    struct fq_job j = {.q = q, .v = v, .y = y, .x = x, .scale = scale};

    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("fake_quant", x, e);
    j.is_per_tensor = dsc_tensor_n_elems(scale) == 1;
    j.n = dsc_tensor_n_elems(x);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), forward_tile, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_fake_quant_bwd(struct dsc_device *d, struct dsc_fake_quant_limits q,
                                       double grad_scale, struct dsc_axis_view v,
                                       const struct dsc_tensor *dx, const struct dsc_tensor *dscale,
                                       const struct dsc_tensor *dy, const struct dsc_tensor *x,
                                       const struct dsc_tensor *scale, struct dsc_err *e)
{
    struct fq_job j = {.q = q,
                       .grad_scale = grad_scale,
                       .v = v,
                       .dx = dx,
                       .dscale = dscale,
                       .dy = dy,
                       .x = x,
                       .scale = scale};
    double sum = 0;

    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("fake_quant_bwd", x, e);
    j.is_per_tensor = dsc_tensor_n_elems(scale) == 1;
    j.n = dsc_tensor_n_elems(x);
    if (!j.is_per_tensor) {
        dsc_parallel_for(d->pool, v.n, backward_channel, &j);
        return DSC_OK;
    }
    j.partial = dsc_heap_alloc((size_t)dsc_cpu_n_tiles(j.n) + 1, sizeof j.partial[0], e);
    if (!j.partial)
        return DSC_E_MEMORY;
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), backward_tile, &j);
    for (int64_t i = 0; i < dsc_cpu_n_tiles(j.n); i++)
        sum += j.partial[i];
    add_scale_grad(&j, 0, sum);
    dsc_heap_free(j.partial);
    return DSC_OK;
}
