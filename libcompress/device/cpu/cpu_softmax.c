/*
 * softmax and its logarithm along one axis, and their gradients. Rows of F32 whose elements are
 * neighbours go to the kernels.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

#include <tgmath.h>

struct softmax_job {
    const struct dsc_kernels *kernels;
    bool is_log;
    struct dsc_axis_view v;
    void *out;
    const void *x, *dy, *y;
    int64_t rows_per_tile, n_rows;
};

#define SOFTMAX_ROWS(T, sfx)                                                                \
    static void softmax_##sfx(const struct softmax_job *j, int64_t at)                      \
    {                                                                                       \
        const T *x = (const T *)j->x + at;                                                  \
        T *y = (T *)j->out + at;                                                            \
        const int64_t n = j->v.n, s = j->v.inner;                                           \
        T top = x[0], sum = 0;                                                              \
        for (int64_t i = 1; i < n; i++)                                                     \
            top = x[i * s] > top ? x[i * s] : top;                                          \
        for (int64_t i = 0; i < n; i++) {                                                   \
            y[i * s] = exp(x[i * s] - top);                                                 \
            sum += y[i * s];                                                                \
        }                                                                                   \
        if (j->is_log) {                                                                    \
            const T shift = top + log(sum);                                                 \
            for (int64_t i = 0; i < n; i++)                                                 \
                y[i * s] = x[i * s] - shift;                                                \
        } else {                                                                            \
            for (int64_t i = 0; i < n; i++)                                                 \
                y[i * s] /= sum;                                                            \
        }                                                                                   \
    }                                                                                       \
    static void softmax_bwd_##sfx(const struct softmax_job *j, int64_t at)                  \
    {                                                                                       \
        const T *dy = (const T *)j->dy + at, *y = (const T *)j->y + at;                     \
        T *dx = (T *)j->out + at;                                                           \
        const int64_t n = j->v.n, s = j->v.inner;                                           \
        T sum = 0;                                                                          \
        for (int64_t i = 0; i < n; i++)                                                     \
            sum += j->is_log ? dy[i * s] : dy[i * s] * y[i * s];                            \
        for (int64_t i = 0; i < n; i++)                                                     \
            dx[i * s] +=                                                                    \
                j->is_log ? dy[i * s] - exp(y[i * s]) * sum : y[i * s] * (dy[i * s] - sum); \
    }

SOFTMAX_ROWS(float, f32)
SOFTMAX_ROWS(double, f64)

static void kernel_row(const struct softmax_job *j, int64_t at)
{
    const struct dsc_kernels *k = j->kernels;
    float *out = (float *)j->out + at;

    if (j->dy)
        (j->is_log ? k->log_softmax_bwd_f32 : k->softmax_bwd_f32)(out, (const float *)j->dy + at,
                                                                  (const float *)j->y + at, j->v.n);
    else
        (j->is_log ? k->log_softmax_f32 : k->softmax_f32)(out, (const float *)j->x + at, j->v.n);
}

static void each_row(const struct softmax_job *j, int64_t tile,
                     void (*row)(const struct softmax_job *, int64_t))
{
    const int64_t end = (tile + 1) * j->rows_per_tile;

    for (int64_t r = tile * j->rows_per_tile; r < end && r < j->n_rows; r++)
        row(j, r / j->v.inner * j->v.n * j->v.inner + r % j->v.inner);
}

static void tile_f32(void *ctx, int64_t tile)
{
    const struct softmax_job *j = ctx;

    each_row(j, tile, j->v.inner == 1 ? kernel_row : j->dy ? softmax_bwd_f32 : softmax_f32);
}

static void tile_f64(void *ctx, int64_t tile)
{
    const struct softmax_job *j = ctx;

    each_row(j, tile, j->dy ? softmax_bwd_f64 : softmax_f64);
}

static enum dsc_status run(struct dsc_device *d, struct softmax_job *j, const struct dsc_tensor *t,
                           struct dsc_err *e)
{
    if (t->dtype != DSC_F32 && t->dtype != DSC_F64)
        return dsc_cpu_no_dtype("softmax", t, e);
    if (j->v.n == 0)
        return DSC_OK;
    j->kernels = d->kernels;
    j->n_rows = j->v.outer * j->v.inner;
    j->rows_per_tile = DSC_CPU_TILE / j->v.n + 1;
    dsc_parallel_for(d->pool, (j->n_rows + j->rows_per_tile - 1) / j->rows_per_tile,
                     t->dtype == DSC_F32 ? tile_f32 : tile_f64, j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_softmax(struct dsc_device *d, bool is_log, struct dsc_axis_view v,
                                const struct dsc_tensor *y, const struct dsc_tensor *x,
                                struct dsc_err *e)
{
    struct softmax_job j = {.is_log = is_log, .v = v, .out = y->data, .x = x->data};

    if (dsc_cpu_is_half(x)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(
            &w, dsc_cpu_softmax(d, is_log, v, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1), e));
    }
    return run(d, &j, x, e);
}

enum dsc_status dsc_cpu_softmax_bwd(struct dsc_device *d, bool is_log, struct dsc_axis_view v,
                                    const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                    const struct dsc_tensor *y, struct dsc_err *e)
{
    struct softmax_job j = {
        .is_log = is_log, .v = v, .out = dx->data, .dy = dy->data, .y = y->data};

    if (dsc_cpu_is_half(dx)) {
        struct dsc_cpu_wide w = {.n = 3, .arg = {dx, dy, y}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_softmax_bwd(d, is_log, v, dsc_cpu_wide(&w, 0),
                                                      dsc_cpu_wide(&w, 1), dsc_cpu_wide(&w, 2), e));
    }
    return run(d, &j, dx, e);
}
