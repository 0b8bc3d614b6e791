/*
 * pool and pool_bwd: windows of one channel to one number. Forward tiles are blocks of positions of
 * some channels, backward tiles whole channels, whose windows overlap. Means are summed in double.
 */
#include "device/cpu/cpu_window.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 16 }; /* of a tile: the divisors are the same for all */

struct pool_job {
    const struct dsc_kernels *kernels;
    const struct dsc_pool_spec *s;
    struct dsc_window win, padded; /* padded: its input is the window's with the padding */
    enum dsc_dtype dtype;
    int64_t size;
    char *y, *dx;
    int64_t *place;
    const char *x, *dy;
    int64_t n_in, n_out, n_taps, n_blocks, n_chunks;
};

/* Kernel positions of each window that count, as a divisor. */
static void count(const struct pool_job *j, const struct dsc_cpu_block *b, double *n)
{
    struct dsc_cpu_block padded;
    struct dsc_cpu_run run[DSC_CPU_BLOCK];
    const bool counts_padding = j->s->counts_padding;

    if (counts_padding)
        dsc_cpu_block_init(&padded, &j->padded, b->first, b->n);
    for (int i = 0; i < b->n; i++)
        n[i] = 0;
    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        const int n_runs = dsc_cpu_block_runs(counts_padding ? &padded : b, tap, run);

        for (int k = 0; k < n_runs; k++)
            for (int i = 0; i < run[k].n; i++)
                n[run[k].at + i]++;
    }
    for (int i = 0; i < b->n; i++) /* a window of padding alone: an empty sum */
        n[i] = n[i] > 0 ? n[i] : 1;
}

/*
 * best, at: the largest so far and its place, for run after run in the order of the kernel; without
 * places in the fast form. NaN stays.
 */
#define POOL_MAX(T, sfx, lowest)                                                         \
    static void max_runs_##sfx(const struct dsc_cpu_run *run, int n_runs, int64_t step,  \
                               const T *x, T *best, int64_t *at)                         \
    {                                                                                    \
        for (int k = 0; k < n_runs; k++) {                                               \
            const T *from = x + run[k].src;                                              \
            for (int i = 0; i < run[k].n; i++) {                                         \
                const T v = from[i * step], b = best[run[k].at + i];                     \
                const bool is_better = v > b || (v != v && b == b);                      \
                best[run[k].at + i] = is_better ? v : b;                                 \
                if (at && (is_better || at[run[k].at + i] < 0))                          \
                    at[run[k].at + i] = run[k].src + i * step;                           \
            }                                                                            \
        }                                                                                \
    }                                                                                    \
    static void max_block_##sfx(const struct pool_job *j, const struct dsc_cpu_block *b, \
                                const T *x, T *best, int64_t *at)                        \
    {                                                                                    \
        const int64_t step = j->win.stride[j->win.rank - 1];                             \
        struct dsc_cpu_run run[DSC_CPU_BLOCK];                                           \
        for (int i = 0; i < b->n; i++)                                                   \
            best[i] = lowest;                                                            \
        for (int i = 0; at && i < b->n; i++)                                             \
            at[i] = -1;                                                                  \
        for (int64_t tap = 0; tap < j->n_taps; tap++)                                    \
            max_runs_##sfx(run, dsc_cpu_block_runs(b, tap, run), step, x, best, at);     \
    }

POOL_MAX(float, f32, -INFINITY)
POOL_MAX(double, f64, -(double)INFINITY)
POOL_MAX(uint8_t, u8, 0)
POOL_MAX(int8_t, i8, INT8_MIN)

#define POOL_MEAN(T, sfx)                                                                       \
    static void mean_block_##sfx(const struct pool_job *j, const struct dsc_cpu_block *b,       \
                                 const T *x, T *y, const double *n)                             \
    {                                                                                           \
        const int64_t step = j->win.stride[j->win.rank - 1];                                    \
        struct dsc_cpu_run run[DSC_CPU_BLOCK];                                                  \
        double sum[DSC_CPU_BLOCK] = {0};                                                        \
        for (int64_t tap = 0; tap < j->n_taps; tap++) {                                         \
            const int n_runs = dsc_cpu_block_runs(b, tap, run);                                 \
            for (int k = 0; k < n_runs; k++)                                                    \
                for (int i = 0; i < run[k].n; i++)                                              \
                    sum[run[k].at + i] += (double)x[run[k].src + i * step];                     \
        }                                                                                       \
        for (int i = 0; i < b->n; i++)                                                          \
            y[i] = (T)(sum[i] / n[i]);                                                          \
    }                                                                                           \
    static void mean_back_##sfx(const struct pool_job *j, const struct dsc_cpu_block *b, T *dx, \
                                const T *dy, const double *n)                                   \
    {                                                                                           \
        const int64_t step = j->win.stride[j->win.rank - 1];                                    \
        struct dsc_cpu_run run[DSC_CPU_BLOCK];                                                  \
        for (int64_t tap = 0; tap < j->n_taps; tap++) {                                         \
            const int n_runs = dsc_cpu_block_runs(b, tap, run);                                 \
            for (int k = 0; k < n_runs; k++)                                                    \
                for (int i = 0; i < run[k].n; i++)                                              \
                    dx[run[k].src + i * step] +=                                                \
                        (T)((double)dy[run[k].at + i] / n[run[k].at + i]);                      \
        }                                                                                       \
    }                                                                                           \
    static void max_back_##sfx(const struct pool_job *j, const struct dsc_cpu_block *b, T *dx,  \
                               const T *dy, const T *x)                                         \
    {                                                                                           \
        T best[DSC_CPU_BLOCK];                                                                  \
        int64_t at[DSC_CPU_BLOCK];                                                              \
        max_block_##sfx(j, b, x, best, at);                                                     \
        for (int i = 0; i < b->n; i++)                                                          \
            if (at[i] >= 0)                                                                     \
                dx[at[i]] += dy[i];                                                             \
    }

POOL_MEAN(float, f32)
POOL_MEAN(double, f64)

#define POOL_LP(T, sfx)                                                                            \
    static void lp_sums_##sfx(const struct pool_job *j, const struct dsc_cpu_block *b, const T *x, \
                              double *sum)                                                         \
    {                                                                                              \
        const int64_t step = j->win.stride[j->win.rank - 1];                                       \
        struct dsc_cpu_run run[DSC_CPU_BLOCK];                                                     \
        for (int i = 0; i < b->n; i++)                                                             \
            sum[i] = 0;                                                                            \
        for (int64_t tap = 0; tap < j->n_taps; tap++) {                                            \
            const int n_runs = dsc_cpu_block_runs(b, tap, run);                                    \
            for (int k = 0; k < n_runs; k++)                                                       \
                for (int i = 0; i < run[k].n; i++)                                                 \
                    sum[run[k].at + i] += pow(fabs((double)x[run[k].src + i * step]), j->s->p);    \
        }                                                                                          \
    }                                                                                              \
    static void lp_block_##sfx(const struct pool_job *j, const struct dsc_cpu_block *b,            \
                               const T *x, T *y)                                                   \
    {                                                                                              \
        double sum[DSC_CPU_BLOCK];                                                                 \
        lp_sums_##sfx(j, b, x, sum);                                                               \
        for (int i = 0; i < b->n; i++)                                                             \
            y[i] = (T)pow(sum[i], 1 / j->s->p);                                                    \
    }                                                                                              \
    static void lp_back_##sfx(const struct pool_job *j, const struct dsc_cpu_block *b, T *dx,      \
                              const T *dy, const T *x)                                             \
    {                                                                                              \
        const int64_t step = j->win.stride[j->win.rank - 1];                                       \
        struct dsc_cpu_run run[DSC_CPU_BLOCK];                                                     \
        double sum[DSC_CPU_BLOCK];                                                                 \
        lp_sums_##sfx(j, b, x, sum);                                                               \
        for (int i = 0; i < b->n; i++) /* now the slope of the root */                             \
            sum[i] = sum[i] > 0 ? (double)dy[i] * pow(sum[i], 1 / j->s->p - 1) : 0;                \
        for (int64_t tap = 0; tap < j->n_taps; tap++) {                                            \
            const int n_runs = dsc_cpu_block_runs(b, tap, run);                                    \
            for (int k = 0; k < n_runs; k++)                                                       \
                for (int i = 0; i < run[k].n; i++) {                                               \
                    const int64_t at = run[k].src + i * step;                                      \
                    const double v = pow(fabs((double)x[at]), j->s->p - 1);                        \
                    dx[at] += (T)(sum[run[k].at + i] * (x[at] < 0 ? -v : v));                      \
                }                                                                                  \
        }                                                                                          \
    }

POOL_LP(float, f32)
POOL_LP(double, f64)

/* A place in one channel, counted the other way round, behind the channels before it. */
static int64_t place_of(const struct pool_job *j, int64_t channel, int64_t at)
{
    const struct dsc_window *w = &j->s->win;
    int64_t place = 0, step = j->n_in;

    if (at < 0)
        return -1;
    if (!j->s->is_column_major)
        return channel * j->n_in + at;
    for (int i = w->rank - 1; i >= 0; i--) {
        step /= w->in[i];
        place += at % w->in[i] * step;
        at /= w->in[i];
    }
    return channel * j->n_in + place;
}

/* Without places: rows of F32 by kernels. */
static void max_rows(const struct pool_job *j, const struct dsc_cpu_block *b, const float *x,
                     float *y)
{
    const int64_t step = j->win.stride[j->win.rank - 1];
    struct dsc_cpu_run run[DSC_CPU_BLOCK];
    float taken[DSC_CPU_BLOCK];

    for (int i = 0; i < b->n; i++)
        y[i] = -INFINITY;
    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        const int n_runs = dsc_cpu_block_runs(b, tap, run);

        for (int k = 0; k < n_runs; k++) {
            const float *from = x + run[k].src;

            if (step > 1) {
                j->kernels->take_f32(taken, from, step, run[k].n);
                from = taken;
            }
            j->kernels->larger_f32(y + run[k].at, y + run[k].at, from, run[k].n);
        }
    }
}

static void max_channel(const struct pool_job *j, const struct dsc_cpu_block *b, int64_t channel)
{
    const char *x = j->x + channel * j->n_in * j->size;
    const int64_t out = channel * j->n_out + b->first;
    char *y = j->y + out * j->size;
    int64_t *at = j->place ? j->place + out : NULL;

    if (j->dtype == DSC_F32 && !at)
        max_rows(j, b, (const float *)(const void *)x, (float *)(void *)y);
    else if (j->dtype == DSC_F32)
        max_block_f32(j, b, (const float *)(const void *)x, (float *)(void *)y, at);
    else if (j->dtype == DSC_F64)
        max_block_f64(j, b, (const double *)(const void *)x, (double *)(void *)y, at);
    else if (j->dtype == DSC_U8)
        max_block_u8(j, b, (const uint8_t *)x, (uint8_t *)y, at);
    else
        max_block_i8(j, b, (const int8_t *)x, (int8_t *)y, at);
    for (int i = 0; at && i < b->n; i++)
        at[i] = place_of(j, channel, at[i]);
}

static void sum_channel(const struct pool_job *j, const struct dsc_cpu_block *b, int64_t channel,
                        const double *n)
{
    const char *x = j->x + channel * j->n_in * j->size;
    char *y = j->y + (channel * j->n_out + b->first) * j->size;

    if (j->s->fn == DSC_POOL_LP && j->dtype == DSC_F32)
        lp_block_f32(j, b, (const float *)(const void *)x, (float *)(void *)y);
    else if (j->s->fn == DSC_POOL_LP)
        lp_block_f64(j, b, (const double *)(const void *)x, (double *)(void *)y);
    else if (j->dtype == DSC_F32)
        mean_block_f32(j, b, (const float *)(const void *)x, (float *)(void *)y, n);
    else
        mean_block_f64(j, b, (const double *)(const void *)x, (double *)(void *)y, n);
}

static void forward_tile(void *ctx, int64_t tile)
{
    const struct pool_job *j = ctx;
    const int64_t first = tile % j->n_blocks * DSC_CPU_BLOCK, left = j->n_out - first;
    const int64_t channel = tile / j->n_blocks * CHANNELS;
    struct dsc_cpu_block b;
    double n[DSC_CPU_BLOCK];

    dsc_cpu_block_init(&b, &j->win, first, left < DSC_CPU_BLOCK ? left : DSC_CPU_BLOCK);
    if (j->s->fn == DSC_POOL_MEAN)
        count(j, &b, n);
    for (int64_t c = channel; c < channel + CHANNELS && c < j->s->n_channels; c++) {
        if (j->s->fn == DSC_POOL_MAX)
            max_channel(j, &b, c);
        else
            sum_channel(j, &b, c, n);
    }
}

static void back_channel(const struct pool_job *j, const struct dsc_cpu_block *b, int64_t channel,
                         const double *n)
{
    const int64_t in = channel * j->n_in * j->size;
    void *dx = j->dx + in;
    const void *dy = j->dy + (channel * j->n_out + b->first) * j->size;
    const void *x = j->x ? j->x + in : NULL;

    if (j->s->fn == DSC_POOL_MEAN && j->dtype == DSC_F32)
        mean_back_f32(j, b, dx, dy, n);
    else if (j->s->fn == DSC_POOL_MEAN)
        mean_back_f64(j, b, dx, dy, n);
    else if (j->s->fn == DSC_POOL_LP && j->dtype == DSC_F32)
        lp_back_f32(j, b, dx, dy, x);
    else if (j->s->fn == DSC_POOL_LP)
        lp_back_f64(j, b, dx, dy, x);
    else if (j->dtype == DSC_F32)
        max_back_f32(j, b, dx, dy, x);
    else
        max_back_f64(j, b, dx, dy, x);
}

static void back_tile(void *ctx, int64_t tile)
{
    const struct pool_job *j = ctx;
    const int64_t channel = tile * CHANNELS;
    struct dsc_cpu_block b;
    double n[DSC_CPU_BLOCK];

    for (int64_t first = 0; first < j->n_out; first += DSC_CPU_BLOCK) {
        const int64_t left = j->n_out - first;

        dsc_cpu_block_init(&b, &j->win, first, left < DSC_CPU_BLOCK ? left : DSC_CPU_BLOCK);
        if (j->s->fn == DSC_POOL_MEAN)
            count(j, &b, n);
        for (int64_t c = channel; c < channel + CHANNELS && c < j->s->n_channels; c++)
            back_channel(j, &b, c, n);
    }
}

static void job_init(struct pool_job *j, struct dsc_device *d, const struct dsc_pool_spec *s,
                     enum dsc_dtype dtype)
{
    *j = (struct pool_job){.kernels = d->kernels,
                           .s = s,
                           .win = dsc_window_join(&s->win),
                           .padded = s->win,
                           .dtype = dtype,
                           .size = (int64_t)dsc_dtype_bytes(dtype, 1)};
    for (int i = 0; i < s->win.rank; i++) {
        j->padded.in[i] += s->win.before[i] + s->win.after[i];
        j->padded.before[i] = 0;
    }
    j->n_in = dsc_cpu_window_n_in(&j->win);
    j->n_out = dsc_cpu_window_n_out(&j->win);
    j->n_taps = dsc_cpu_window_n_taps(&j->win);
    j->n_blocks = (j->n_out + DSC_CPU_BLOCK - 1) / DSC_CPU_BLOCK;
    j->n_chunks = (s->n_channels + CHANNELS - 1) / CHANNELS;
}

enum dsc_status dsc_cpu_pool(struct dsc_device *d, const struct dsc_pool_spec *spec,
                             const struct dsc_tensor *y, const struct dsc_tensor *place,
                             const struct dsc_tensor *x, struct dsc_err *e)
{
    const bool is_code = x->dtype == DSC_U8 || x->dtype == DSC_I8;
    struct pool_job j;

    if (dsc_cpu_is_half(y)) {
        struct dsc_cpu_wide w = {.n = 3, .arg = {y, place, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_pool(d, spec, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1),
                                               dsc_cpu_wide(&w, 2), e));
    }
    if (x->dtype != DSC_F32 && x->dtype != DSC_F64 && !(is_code && spec->fn == DSC_POOL_MAX))
        return dsc_cpu_no_dtype("pool", x, e);
    job_init(&j, d, spec, x->dtype);
    j.y = y->data;
    j.place = place ? place->data : NULL;
    j.x = x->data;
    dsc_parallel_for(d->pool, j.n_chunks * j.n_blocks, forward_tile, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_pool_bwd(struct dsc_device *d, const struct dsc_pool_spec *spec,
                                 const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                 const struct dsc_tensor *x, struct dsc_err *e)
{
    struct pool_job j;

    if (dsc_cpu_is_half(dx)) {
        struct dsc_cpu_wide w = {.n = 3, .arg = {dx, dy, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_pool_bwd(d, spec, dsc_cpu_wide(&w, 0),
                                                   dsc_cpu_wide(&w, 1), dsc_cpu_wide(&w, 2), e));
    }
    if (dx->dtype != DSC_F32 && dx->dtype != DSC_F64)
        return dsc_cpu_no_dtype("pool_bwd", dx, e);
    job_init(&j, d, spec, dx->dtype);
    j.dx = dx->data;
    j.dy = dy->data;
    j.x = x ? x->data : NULL;
    dsc_parallel_for(d->pool, j.n_chunks, back_tile, &j);
    return DSC_OK;
}
