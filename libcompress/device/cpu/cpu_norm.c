/*
 * norm and norm_bwd: rows brought to mean 0 and variance 1. Tiles are ranges of rows, or of
 * parameters for their gradients; sums run in double and in index order. F32 with a gain for each
 * element (LayerNormalization) runs kernels.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

#include <math.h>

enum { NORM_GAINS_PER_TILE = 32 };

struct norm_job {
    const struct dsc_kernels *kernels;
    const struct dsc_norm_spec *s;
    void *y, *mean, *inv;
    void *dx, *dgain, *dbias;
    const void *x, *gain, *bias, *dy, *dmean, *dinv;
    double *row_mean, *row_inv; /* backward: of each row */
    float *mean_f32, *inv_f32;  /* the same for the kernels */
    int64_t rows_per_tile;
};

/* Index of row r's gain for element i. */
static int64_t gain_at(const struct dsc_norm_spec *s, int64_t row, int64_t i)
{
    return s->n_channels ? row % s->n_channels : i;
}

#define NORM_ROWS(T, sfx)                                                                     \
    static void stats_##sfx(const T *x, int64_t n, double eps, double *mean, double *inv)     \
    {                                                                                         \
        double sum = 0, square = 0;                                                           \
        for (int64_t i = 0; i < n; i++)                                                       \
            sum += x[i];                                                                      \
        *mean = sum / (double)n;                                                              \
        for (int64_t i = 0; i < n; i++)                                                       \
            square += (x[i] - *mean) * (x[i] - *mean);                                        \
        *inv = 1 / sqrt(square / (double)n + eps);                                            \
    }                                                                                         \
    static void norm_row_##sfx(const struct norm_job *j, int64_t r)                           \
    {                                                                                         \
        const int64_t n = j->s->n;                                                            \
        const T *x = (const T *)j->x + r * n, *gain = j->gain, *bias = j->bias;               \
        T *y = (T *)j->y + r * n;                                                             \
        double mean, inv;                                                                     \
        stats_##sfx(x, n, j->s->epsilon, &mean, &inv);                                        \
        for (int64_t i = 0; i < n; i++) {                                                     \
            const int64_t k = gain_at(j->s, r, i);                                            \
            y[i] = (T)((x[i] - mean) * inv * gain[k] + (bias ? (double)bias[k] : 0));         \
        }                                                                                     \
        if (j->mean)                                                                          \
            ((T *)j->mean)[r] = (T)mean;                                                      \
        if (j->inv)                                                                           \
            ((T *)j->inv)[r] = (T)inv;                                                        \
    }                                                                                         \
    static void norm_bwd_row_##sfx(const struct norm_job *j, int64_t r)                       \
    {                                                                                         \
        const int64_t n = j->s->n;                                                            \
        const T *x = (const T *)j->x + r * n, *gain = j->gain;                                \
        const T *dy = j->dy ? (const T *)j->dy + r * n : NULL;                                \
        T *dx = j->dx ? (T *)j->dx + r * n : NULL;                                            \
        const double dmean = j->dmean ? (double)((const T *)j->dmean)[r] : 0;                 \
        const double dinv = j->dinv ? (double)((const T *)j->dinv)[r] : 0;                    \
        double mean, inv, sum = 0, dot = 0;                                                   \
        stats_##sfx(x, n, j->s->epsilon, &mean, &inv);                                        \
        j->row_mean[r] = mean;                                                                \
        j->row_inv[r] = inv;                                                                  \
        for (int64_t i = 0; dx && dy && i < n; i++) {                                         \
            const double g = (double)dy[i] * gain[gain_at(j->s, r, i)];                       \
            sum += g;                                                                         \
            dot += g * (x[i] - mean) * inv;                                                   \
        }                                                                                     \
        for (int64_t i = 0; dx && i < n; i++) {                                               \
            const double hat = (x[i] - mean) * inv;                                           \
            const double g = dy ? (double)dy[i] * gain[gain_at(j->s, r, i)] : 0;              \
            dx[i] += (T)(inv * (g - (sum + hat * dot) / (double)n) +                          \
                         (dmean - dinv * inv * inv * hat) / (double)n);                       \
        }                                                                                     \
    }                                                                                         \
    static void gain_sum_##sfx(const struct norm_job *j, int64_t k)                           \
    {                                                                                         \
        const struct dsc_norm_spec *s = j->s;                                                 \
        double dgain = 0, dbias = 0;                                                          \
        for (int64_t r = s->n_channels ? k : 0; r < s->n_rows;                                \
             r += s->n_channels ? s->n_channels : 1) {                                        \
            const T *x = (const T *)j->x + r * s->n, *dy = (const T *)j->dy + r * s->n;       \
            const int64_t first = s->n_channels ? 0 : k, last = s->n_channels ? s->n : k + 1; \
            for (int64_t i = first; i < last; i++) {                                          \
                dgain += dy[i] * (x[i] - j->row_mean[r]) * j->row_inv[r];                     \
                dbias += dy[i];                                                               \
            }                                                                                 \
        }                                                                                     \
        if (j->dgain)                                                                         \
            ((T *)j->dgain)[k] += (T)dgain;                                                   \
        if (j->dbias)                                                                         \
            ((T *)j->dbias)[k] += (T)dbias;                                                   \
    }                                                                                         \
    static void norm_tile_##sfx(void *ctx, int64_t tile)                                      \
    {                                                                                         \
        const struct norm_job *j = ctx;                                                       \
        const int64_t end = (tile + 1) * j->rows_per_tile;                                    \
        for (int64_t r = tile * j->rows_per_tile; r < end && r < j->s->n_rows; r++)           \
            (j->row_mean ? norm_bwd_row_##sfx : norm_row_##sfx)(j, r);                        \
    }                                                                                         \
    static void gain_tile_##sfx(void *ctx, int64_t tile)                                      \
    {                                                                                         \
        const struct norm_job *j = ctx;                                                       \
        const int64_t n = j->s->n_channels ? j->s->n_channels : j->s->n;                      \
        const int64_t end = (tile + 1) * NORM_GAINS_PER_TILE;                                 \
        for (int64_t k = tile * NORM_GAINS_PER_TILE; k < end && k < n; k++)                   \
            gain_sum_##sfx(j, k);                                                             \
    }

NORM_ROWS(float, f32)
NORM_ROWS(double, f64)

static void kernel_rows(void *ctx, int64_t tile)
{
    const struct norm_job *j = ctx;
    const struct dsc_norm_spec *s = j->s;
    const int64_t end = (tile + 1) * j->rows_per_tile;

    for (int64_t r = tile * j->rows_per_tile; r < end && r < s->n_rows; r++) {
        const float *x = (const float *)j->x + r * s->n;
        float mean, inv;

        j->kernels->layer_norm_f32((float *)j->y + r * s->n, j->mean ? (float *)j->mean + r : &mean,
                                   j->inv ? (float *)j->inv + r : &inv, x, j->gain, j->bias,
                                   (float)s->epsilon, s->n);
    }
}

static void kernel_bwd_rows(void *ctx, int64_t tile)
{
    const struct norm_job *j = ctx;
    const struct dsc_norm_spec *s = j->s;
    const int64_t end = (tile + 1) * j->rows_per_tile;

    for (int64_t r = tile * j->rows_per_tile; r < end && r < s->n_rows; r++) {
        const float *x = (const float *)j->x + r * s->n;

        j->kernels->row_stats_f32(&j->mean_f32[r], &j->inv_f32[r], x, (float)s->epsilon, s->n);
        if (j->dx)
            j->kernels->layer_norm_bwd_f32((float *)j->dx + r * s->n,
                                           (const float *)j->dy + r * s->n, x, j->gain,
                                           j->mean_f32[r], j->inv_f32[r], s->n);
    }
}

static void kernel_gains(void *ctx, int64_t tile)
{
    const struct norm_job *j = ctx;
    const struct dsc_norm_spec *s = j->s;
    const int64_t i = tile * NORM_GAINS_PER_TILE;
    const int64_t n = s->n - i < NORM_GAINS_PER_TILE ? s->n - i : NORM_GAINS_PER_TILE;
    float unwanted[NORM_GAINS_PER_TILE] = {0};

    j->kernels->layer_norm_gain_f32(j->dgain ? (float *)j->dgain + i : unwanted,
                                    j->dbias ? (float *)j->dbias + i : unwanted,
                                    (const float *)j->dy + i, (const float *)j->x + i, j->mean_f32,
                                    j->inv_f32, s->n_rows, n, s->n);
}

/* What the kernels do: F32, a gain for each element, no gradients by way of the statistics. */
static bool has_kernel(const struct norm_job *j, enum dsc_dtype dtype)
{
    return dtype == DSC_F32 && !j->s->n_channels && !j->dmean && !j->dinv && j->s->n > 0 &&
           (j->dy || j->y);
}

static void run_rows(struct dsc_device *d, struct norm_job *j, enum dsc_dtype dtype)
{
    j->rows_per_tile = DSC_CPU_TILE / (j->s->n + 1) + 1;
    dsc_parallel_for(d->pool, (j->s->n_rows + j->rows_per_tile - 1) / j->rows_per_tile,
                     has_kernel(j, dtype) ? j->row_mean ? kernel_bwd_rows : kernel_rows
                     : dtype == DSC_F32   ? norm_tile_f32
                                          : norm_tile_f64,
                     j);
}

static void *data_of(const struct dsc_tensor *t)
{
    return t ? t->data : NULL;
}

enum dsc_status dsc_cpu_norm(struct dsc_device *d, const struct dsc_norm_spec *spec,
                             const struct dsc_tensor *y, const struct dsc_tensor *mean,
                             const struct dsc_tensor *inv, const struct dsc_tensor *x,
                             const struct dsc_tensor *gain, const struct dsc_tensor *bias,
                             struct dsc_err *e)
{
    struct norm_job j = {
        .kernels = d->kernels, .s = spec, .y = y->data, .x = x->data, .gain = gain->data};

    if (dsc_cpu_is_half(x)) {
        struct dsc_cpu_wide w = {.n = 6, .arg = {y, mean, inv, x, gain, bias}, .outs = 7};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_norm(d, spec, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1),
                                               dsc_cpu_wide(&w, 2), dsc_cpu_wide(&w, 3),
                                               dsc_cpu_wide(&w, 4), dsc_cpu_wide(&w, 5), e));
    }
    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("norm", x, e);
    j.mean = data_of(mean);
    j.inv = data_of(inv);
    j.bias = data_of(bias);
    run_rows(d, &j, x->dtype);
    return DSC_OK;
}

static enum dsc_status bwd_half(struct dsc_device *d, const struct dsc_norm_spec *spec,
                                const struct dsc_norm_grads *g, const struct dsc_tensor *x,
                                const struct dsc_tensor *gain, struct dsc_err *e)
{
    struct dsc_cpu_wide w = {
        .n = 8, .arg = {g->dx, g->dgain, g->dbias, g->dy, g->dmean, g->dinv, x, gain}, .outs = 7};

    DSC_TRY(dsc_cpu_widen(&w, e));
    const struct dsc_norm_grads wide = {
        .dx = dsc_cpu_wide(&w, 0),
        .dgain = dsc_cpu_wide(&w, 1),
        .dbias = dsc_cpu_wide(&w, 2),
        .dy = dsc_cpu_wide(&w, 3),
        .dmean = dsc_cpu_wide(&w, 4),
        .dinv = dsc_cpu_wide(&w, 5),
    };
    return dsc_cpu_narrow(
        &w, dsc_cpu_norm_bwd(d, spec, &wide, dsc_cpu_wide(&w, 6), dsc_cpu_wide(&w, 7), e));
}

enum dsc_status dsc_cpu_norm_bwd(struct dsc_device *d, const struct dsc_norm_spec *spec,
                                 const struct dsc_norm_grads *g, const struct dsc_tensor *x,
                                 const struct dsc_tensor *gain, struct dsc_err *e)
{
    const int64_t n_gains = spec->n_channels ? spec->n_channels : spec->n;
    struct norm_job j = {.kernels = d->kernels, .s = spec, .x = x->data, .gain = gain->data};

    if (dsc_cpu_is_half(x))
        return bwd_half(d, spec, g, x, gain, e);
    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("norm_bwd", x, e);
    j.dx = data_of(g->dx);
    j.dgain = data_of(g->dgain);
    j.dbias = data_of(g->dbias);
    j.dy = data_of(g->dy);
    j.dmean = data_of(g->dmean);
    j.dinv = data_of(g->dinv);
    j.row_mean = dsc_heap_alloc(2 * (size_t)spec->n_rows + 1, sizeof *j.row_mean, e);
    if (!j.row_mean)
        return DSC_E_MEMORY;
    j.row_inv = j.row_mean + spec->n_rows;
    j.mean_f32 = (float *)j.row_mean;
    j.inv_f32 = j.mean_f32 + spec->n_rows;
    run_rows(d, &j, x->dtype);
    if (j.dy && (j.dgain || j.dbias))
        dsc_parallel_for(d->pool, (n_gains + NORM_GAINS_PER_TILE - 1) / NORM_GAINS_PER_TILE,
                         has_kernel(&j, x->dtype) ? kernel_gains
                         : x->dtype == DSC_F32    ? gain_tile_f32
                                                  : gain_tile_f64,
                         &j);
    dsc_heap_free(j.row_mean);
    return DSC_OK;
}
