/*
 * Simulated quantization and its straight-through gradient with learned scales (LSQ). F32 runs
 * kernels; F64, for checks of gradients, plain loops.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

#include <math.h>

enum { FQ_COLS = 256 }; /* channels of a tile where they are neighbours */

struct fq_job {
    const struct dsc_kernels *kernels;
    struct dsc_fake_quant limits;
    struct dsc_fake_quant_limits q;
    double grad_scale;
    struct dsc_axis_view v;
    const struct dsc_tensor *y, *x, *scale, *dx, *dy, *dscale;
    bool is_per_tensor;
    double *partial; /* [n_tiles]: slopes of a per-tensor scale, summed in tile order */
    int64_t n;
};

static double scale_f64(const struct fq_job *j, int64_t i)
{
    const double *s = j->scale->data;
    const double v = j->is_per_tensor ? s[0] : s[i / j->v.inner % j->v.n];

    return v > (double)DSC_FAKE_QUANT_MIN_SCALE ? v : (double)DSC_FAKE_QUANT_MIN_SCALE;
}

static void forward_f64(const struct fq_job *j, int64_t first, int64_t last)
{
    const double *x = j->x->data;
    double *y = j->y->data;

    for (int64_t i = first; i < last; i++) {
        const double s = scale_f64(j, i), code = rint(x[i] / s) + j->q.zero;

        y[i] = ((code < j->q.low ? j->q.low : code > j->q.high ? j->q.high : code) - j->q.zero) * s;
    }
}

/* Adds to dx and returns dy times d y / d s: round(x/s) - x/s inside,
 * limit - zero where x/s is at an edge or beyond it. */
static double backward_f64(const struct fq_job *j, int64_t i)
{
    const double low = j->q.low - j->q.zero, high = j->q.high - j->q.zero;
    const double r = ((const double *)j->x->data)[i] / scale_f64(j, i);
    const double dy = ((const double *)j->dy->data)[i];

    if (r <= low)
        return dy * low;
    if (r >= high)
        return dy * high;
    if (j->dx)
        ((double *)j->dx->data)[i] += dy;
    return dy * (rint(r) - r);
}

/* Runs of one scale, or of channels side by side. */
static void forward_f32(const struct fq_job *j, int64_t first, int64_t last)
{
    const float *x = j->x->data, *scale = j->scale->data;
    float *y = j->y->data;
    int64_t i = first, n;

    if (j->is_per_tensor) {
        j->kernels->fake_quant_f32(y + i, x + i, scale[0], &j->limits, last - i);
        return;
    }
    for (; i < last; i += n) {
        if (j->v.inner == 1) {
            n = j->v.n - i % j->v.n < last - i ? j->v.n - i % j->v.n : last - i;
            j->kernels->fake_quant_cols_f32(y + i, x + i, scale + i % j->v.n, &j->limits, n);
        } else {
            n = j->v.inner - i % j->v.inner < last - i ? j->v.inner - i % j->v.inner : last - i;
            j->kernels->fake_quant_f32(y + i, x + i, scale[i / j->v.inner % j->v.n], &j->limits, n);
        }
    }
}

static float *at_f32(const struct dsc_tensor *t, int64_t i)
{
    return t ? (float *)t->data + i : NULL;
}

static void forward_tile(void *ctx, int64_t tile)
{
    const struct fq_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);

    if (j->x->dtype == DSC_F32)
        forward_f32(j, tile * DSC_CPU_TILE, end);
    else
        forward_f64(j, tile * DSC_CPU_TILE, end);
}

/* The slope of one scale, summed over the elements [first, last), which share it. */
static double backward_run(const struct fq_job *j, int64_t first, int64_t last, int64_t channel)
{
    double sum = 0;

    if (j->x->dtype == DSC_F32)
        return (double)j->kernels->fake_quant_bwd_f32(
            at_f32(j->dx, first), at_f32(j->dy, first), at_f32(j->x, first),
            *at_f32(j->scale, channel), &j->limits, last - first);
    for (int64_t i = first; i < last; i++)
        sum += backward_f64(j, i);
    return sum;
}

static void backward_tile(void *ctx, int64_t tile)
{
    const struct fq_job *j = ctx;

    j->partial[tile] = backward_run(j, tile * DSC_CPU_TILE, dsc_cpu_tile_end(tile, j->n), 0);
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

    for (int64_t o = 0; o < j->v.outer; o++) {
        const int64_t first = (o * j->v.n + k) * j->v.inner;

        sum += backward_run(j, first, first + j->v.inner, k);
    }
    add_scale_grad(j, k, sum);
}

/* F32 channels that are neighbours: a tile is some columns of all rows. */
static void backward_cols(void *ctx, int64_t tile)
{
    const struct fq_job *j = ctx;
    const int64_t first = tile * FQ_COLS;
    const int64_t n = j->v.n - first < FQ_COLS ? j->v.n - first : FQ_COLS;
    float sum[FQ_COLS] = {0};

    for (int64_t o = 0; o < j->v.outer; o++) {
        const int64_t at = o * j->v.n + first;

        j->kernels->fake_quant_cols_bwd_f32(at_f32(j->dx, at), sum, at_f32(j->dy, at),
                                            at_f32(j->x, at), at_f32(j->scale, first), &j->limits,
                                            n);
    }
    for (int64_t k = 0; k < n; k++)
        add_scale_grad(j, first + k, (double)sum[k]);
}

static void set_job(struct fq_job *j, struct dsc_device *d)
{
    j->kernels = d->kernels;
    j->limits = (struct dsc_fake_quant){(float)j->q.zero, (float)j->q.low, (float)j->q.high};
    j->is_per_tensor = dsc_tensor_n_elems(j->scale) == 1;
    j->n = dsc_tensor_n_elems(j->x);
}

enum dsc_status dsc_cpu_fake_quant(struct dsc_device *d, struct dsc_fake_quant_limits q,
                                   struct dsc_axis_view v, const struct dsc_tensor *y,
                                   const struct dsc_tensor *x, const struct dsc_tensor *scale,
                                   struct dsc_err *e)
{
    struct fq_job j = {.q = q, .v = v, .y = y, .x = x, .scale = scale};

    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("fake_quant", x, e);
    set_job(&j, d);
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
    set_job(&j, d);
    if (!j.is_per_tensor) {
        if (x->dtype == DSC_F32 && v.inner == 1)
            dsc_parallel_for(d->pool, (v.n + FQ_COLS - 1) / FQ_COLS, backward_cols, &j);
        else
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
