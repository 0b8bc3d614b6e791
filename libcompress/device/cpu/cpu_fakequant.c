/*
 * Simulated quantization and its straight-through gradient with learned scales (LSQ) and offset
 * (LSQ+). F32 runs kernels; F64, for checks of gradients, plain loops.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

#include <math.h>

enum {
    FQ_COLS = 256,  /* channels of a tile where they are neighbours */
    FQ_DRAWN = 1024 /* elements whose rounding is drawn at once */
};

struct fq_sum {
    double scale, offset;
};

struct fq_job {
    const struct dsc_kernels *kernels;
    struct dsc_fake_quant limits;
    struct dsc_fake_quant_spec q; /* its zero point is the offset's, where there is one */
    struct dsc_axis_view v;
    const struct dsc_tensor *y, *x, *scale, *dy;
    struct dsc_fake_quant_grads grad;
    bool is_per_tensor;
    struct fq_sum *partial; /* [n_tiles]: slopes of a per-tensor scale, summed in tile order */
    int64_t n;
};

static double usable_f64(double scale)
{
    return scale > (double)DSC_FAKE_QUANT_MIN_SCALE ? scale : (double)DSC_FAKE_QUANT_MIN_SCALE;
}

static double scale_f64(const struct fq_job *j, int64_t i)
{
    const double *s = j->scale->data;

    return usable_f64(j->is_per_tensor ? s[0] : s[i / j->v.inner % j->v.n]);
}

/* Draws of elements i .. i + n - 1, n <= FQ_DRAWN; NULL: rounding is to the nearest. */
static const float *noise_of(const struct fq_job *j, int64_t i, int64_t n, float *buf)
{
    const int64_t per = j->q.n_per_example;

    if (!j->q.is_stochastic)
        return NULL;
    for (int64_t k = 0, n_now; k < n; k += n_now) {
        const int64_t example = (i + k) / per, at = (i + k) % per;
        const struct dsc_uniform u = {.key = {j->q.key.k[0], j->q.key.k[1]},
                                      .example =
                                          (uint64_t)(j->q.ids ? j->q.ids[example] : example)};

        n_now = per - at < n - k ? per - at : n - k;
        j->kernels->uniform_f32(buf + k, &u, at, n_now);
    }
    return buf;
}

static int64_t n_at_once(const struct fq_job *j, int64_t n)
{
    return j->q.is_stochastic && n > FQ_DRAWN ? FQ_DRAWN : n;
}

static double rounded(const struct fq_job *j, int64_t i, double v)
{
    float u;

    if (!noise_of(j, i, 1, &u))
        return rint(v);
    return floor(v) + ((double)u < v - floor(v) ? 1 : 0);
}

static void forward_f64(const struct fq_job *j, int64_t first, int64_t last)
{
    const double *x = j->x->data;
    double *y = j->y->data;

    for (int64_t i = first; i < last; i++) {
        const double s = scale_f64(j, i), code = rounded(j, i, x[i] / s) + j->q.zero;

        y[i] = ((code < j->q.low ? j->q.low : code > j->q.high ? j->q.high : code) - j->q.zero) * s;
    }
}

/* Adds to dx and to what dy says of scale and offset: rounded(x/s) - x/s inside, limit - still and
 * 1 where x/s is at an edge or beyond it. */
static void backward_f64(const struct fq_job *j, int64_t i, struct fq_sum *sum)
{
    const double low = j->q.low - j->q.zero, high = j->q.high - j->q.zero;
    const double r = ((const double *)j->x->data)[i] / scale_f64(j, i);
    const double dy = ((const double *)j->dy->data)[i];

    if (r <= low || r >= high) {
        sum->scale += dy * ((r <= low ? j->q.low : j->q.high) - (double)j->limits.still);
        sum->offset += dy;
        return;
    }
    if (j->grad.x)
        ((double *)j->grad.x->data)[i] += dy;
    sum->scale += dy * (rounded(j, i, r) - r) * j->q.inside;
}

static float *at_f32(const struct dsc_tensor *t, int64_t i)
{
    return t ? (float *)t->data + i : NULL;
}

/* Runs of one scale, or of channels side by side. */
static void forward_f32(const struct fq_job *j, int64_t first, int64_t last)
{
    const float *x = j->x->data, *scale = j->scale->data;
    float *y = j->y->data, buf[FQ_DRAWN];

    for (int64_t i = first, n; i < last; i += n) {
        const bool is_cols = !j->is_per_tensor && j->v.inner == 1;
        const int64_t unit = is_cols ? j->v.n : j->v.inner;

        n = n_at_once(j, unit - i % unit < last - i ? unit - i % unit : last - i);
        if (is_cols)
            j->kernels->fake_quant_cols_f32(y + i, x + i, noise_of(j, i, n, buf),
                                            scale + i % j->v.n, &j->limits, n);
        else
            j->kernels->fake_quant_f32(y + i, x + i, noise_of(j, i, n, buf),
                                       scale[j->is_per_tensor ? 0 : i / j->v.inner % j->v.n],
                                       &j->limits, n);
    }
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

/* The slopes of one scale, summed over the elements [first, last), which share it. */
static void backward_run(const struct fq_job *j, int64_t first, int64_t last, int64_t channel,
                         struct fq_sum *sum)
{
    float buf[FQ_DRAWN];

    for (int64_t i = first, n; i < last && j->x->dtype == DSC_F32; i += n) {
        struct dsc_fake_quant_slope d;

        n = n_at_once(j, last - i);
        j->kernels->fake_quant_bwd_f32(at_f32(j->grad.x, i), &d, at_f32(j->dy, i), at_f32(j->x, i),
                                       noise_of(j, i, n, buf), *at_f32(j->scale, channel),
                                       &j->limits, n);
        sum->scale += (double)d.scale;
        sum->offset += (double)d.offset;
    }
    for (int64_t i = first; i < last && j->x->dtype != DSC_F32; i++)
        backward_f64(j, i, sum);
}

static void backward_tile(void *ctx, int64_t tile)
{
    const struct fq_job *j = ctx;

    j->partial[tile] = (struct fq_sum){0, 0};
    backward_run(j, tile * DSC_CPU_TILE, dsc_cpu_tile_end(tile, j->n), 0, &j->partial[tile]);
}

static void add_grad(const struct fq_job *j, const struct dsc_tensor *grad, int64_t k, double sum)
{
    if (!grad)
        return;
    if (grad->dtype == DSC_F32)
        ((float *)grad->data)[k] += (float)(sum * j->grad.factor);
    else
        ((double *)grad->data)[k] += sum * j->grad.factor;
}

/* One tile is one channel: its elements are [outer] runs of [inner]. */
static void backward_channel(void *ctx, int64_t k)
{
    const struct fq_job *j = ctx;
    struct fq_sum sum = {0, 0};

    for (int64_t o = 0; o < j->v.outer; o++) {
        const int64_t first = (o * j->v.n + k) * j->v.inner;

        backward_run(j, first, first + j->v.inner, k, &sum);
    }
    add_grad(j, j->grad.scale, k, sum.scale);
}

/* F32 channels that are neighbours: a tile is some columns of all rows. */
static void backward_cols(void *ctx, int64_t tile)
{
    const struct fq_job *j = ctx;
    const int64_t first = tile * FQ_COLS;
    const int64_t n = j->v.n - first < FQ_COLS ? j->v.n - first : FQ_COLS;
    float sum[FQ_COLS] = {0}, buf[FQ_DRAWN];

    for (int64_t o = 0; o < j->v.outer; o++) {
        const int64_t i = o * j->v.n + first;

        j->kernels->fake_quant_cols_bwd_f32(at_f32(j->grad.x, i), sum, at_f32(j->dy, i),
                                            at_f32(j->x, i), noise_of(j, i, n, buf),
                                            at_f32(j->scale, first), &j->limits, n);
    }
    for (int64_t k = 0; k < n; k++)
        add_grad(j, j->grad.scale, first + k, (double)sum[k]);
}

static double first_of(const struct dsc_tensor *t)
{
    return t->dtype == DSC_F32 ? (double)((const float *)t->data)[0] : ((const double *)t->data)[0];
}

static void set_job(struct fq_job *j, struct dsc_device *d, const struct dsc_tensor *offset)
{
    j->kernels = d->kernels;
    if (offset)
        j->q.zero = dsc_fake_quant_zero(&j->q, first_of(offset), usable_f64(first_of(j->scale)));
    j->limits = (struct dsc_fake_quant){(float)j->q.zero, (float)j->q.low, (float)j->q.high,
                                        (float)j->q.inside, offset ? 0 : (float)j->q.zero};
    j->is_per_tensor = dsc_tensor_n_elems(j->scale) == 1;
    if (j->is_per_tensor)
        j->v = (struct dsc_axis_view){1, 1, dsc_tensor_n_elems(j->x)};
    if (j->q.n_per_example < 1)
        j->q.n_per_example = 1;
    j->n = dsc_tensor_n_elems(j->x);
}

enum dsc_status dsc_cpu_fake_quant(struct dsc_device *d, const struct dsc_fake_quant_spec *q,
                                   struct dsc_axis_view v, const struct dsc_tensor *y,
                                   const struct dsc_tensor *x, const struct dsc_tensor *scale,
                                   const struct dsc_tensor *offset, struct dsc_err *e)
{
    struct fq_job j = {.q = *q, .v = v, .y = y, .x = x, .scale = scale};

    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("fake_quant", x, e);
    set_job(&j, d, offset);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), forward_tile, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_fake_quant_bwd(struct dsc_device *d, const struct dsc_fake_quant_spec *q,
                                       struct dsc_axis_view v, const struct dsc_fake_quant_grads *g,
                                       const struct dsc_tensor *dy, const struct dsc_tensor *x,
                                       const struct dsc_tensor *scale,
                                       const struct dsc_tensor *offset, struct dsc_err *e)
{
    struct fq_job j = {.q = *q, .v = v, .grad = *g, .dy = dy, .x = x, .scale = scale};
    struct fq_sum sum = {0, 0};

    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("fake_quant_bwd", x, e);
    set_job(&j, d, offset);
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
    for (int64_t i = 0; i < dsc_cpu_n_tiles(j.n); i++) {
        sum.scale += j.partial[i].scale;
        sum.offset += j.partial[i].offset;
    }
    add_grad(&j, g->scale, 0, sum.scale);
    add_grad(&j, g->offset, 0, sum.offset);
    dsc_heap_free(j.partial);
    return DSC_OK;
}
