/* Patches of images: unfolded, folded back, spread out, multiplied. */
#include "device/cpu/cpu_conv.h"
#include "kernels/blas/blas.h"
#include "kernels/kernels.h"

#include <string.h>

enum { PANEL = DSC_SGEMM_PANEL };

static void copy_run(const struct dsc_cpu_conv *j, char *dst, const char *src, int64_t n)
{
    const int64_t step = j->win.stride[j->win.rank - 1];

    if (step == 1)
        memcpy(dst, src, (size_t)(n * j->size));
    else if (j->dtype == DSC_F32)
        j->kernels->take_f32((float *)(void *)dst, (const float *)(const void *)src, step, n);
    else
        for (int64_t i = 0; i < n; i++)
            ((uint64_t *)(void *)dst)[i] = ((const uint64_t *)(const void *)src)[i * step];
}

/* Channels of rows [row, row + n) that have kernel position tap. */
static void channels_of(int64_t row, int64_t n, int64_t tap, int64_t n_taps, int64_t *first,
                        int64_t *end)
{
    *first = row <= tap ? 0 : dsc_n_parts(row - tap, n_taps);
    *end = row + n <= tap ? 0 : dsc_n_parts(row + n - tap, n_taps);
}

void dsc_cpu_conv_unfold(const struct dsc_cpu_conv *j, const struct dsc_cpu_block *b, const char *x,
                         int64_t row, int64_t n, bool is_packed, char *cols)
{
    const int64_t size = j->size;
    const int64_t n_panels = dsc_n_parts(b->n, PANEL);
    struct dsc_cpu_run run[DSC_CPU_BLOCK];
    float packed[DSC_CPU_BLOCK];

    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        const int n_runs = dsc_cpu_block_runs(b, tap, run);
        int64_t first, end, n_inside = 0;

        channels_of(row, n, tap, j->n_taps, &first, &end);
        for (int k = 0; k < n_runs; k++)
            n_inside += run[k].n;
        if (is_packed) /* what is outside is so for every channel */
            memset(packed, 0, sizeof packed);
        for (int64_t c = first; c < end; c++) {
            const int64_t r = c * j->n_taps + tap - row;
            char *line = is_packed ? (char *)packed : cols + r * b->n * size;

            if (!is_packed && n_inside < b->n)
                memset(line, 0, (size_t)(b->n * size));
            for (int k = 0; k < n_runs; k++)
                copy_run(j, line + run[k].at * size, x + (c * j->n_in + run[k].src) * size,
                         run[k].n);
            for (int64_t p = 0; is_packed && p < n_panels; p++)
                memcpy((float *)(void *)cols + (p * n + r) * PANEL, packed + p * PANEL,
                       PANEL * sizeof *packed);
        }
    }
}

#define ADD_RUN(T, sfx)                                                                           \
    static void add_run_##sfx(T *dst, int64_t dst_step, const T *src, int64_t src_step, T factor, \
                              int64_t n)                                                          \
    {                                                                                             \
        if (dst_step == 1 && src_step == 1)                                                       \
            for (int64_t i = 0; i < n; i++)                                                       \
                dst[i] += factor * src[i];                                                        \
        else                                                                                      \
            for (int64_t i = 0; i < n; i++)                                                       \
                dst[i * dst_step] += factor * src[i * src_step];                                  \
    }

ADD_RUN(float, f32)
ADD_RUN(double, f64)

void dsc_cpu_conv_add(const struct dsc_cpu_conv *j, char *dst, int64_t dst_step, const char *src,
                      int64_t src_step, const char *factor, int64_t n)
{
    if (j->dtype == DSC_F32)
        add_run_f32((float *)(void *)dst, dst_step, (const float *)(const void *)src, src_step,
                    factor ? *(const float *)(const void *)factor : 1, n);
    else
        add_run_f64((double *)(void *)dst, dst_step, (const double *)(const void *)src, src_step,
                    factor ? *(const double *)(const void *)factor : 1, n);
}

void dsc_cpu_conv_fold(const struct dsc_cpu_conv *j, const struct dsc_cpu_block *b, char *dx,
                       int64_t row, int64_t n, const char *cols)
{
    const int64_t step = j->win.stride[j->win.rank - 1], size = j->size;
    struct dsc_cpu_run run[DSC_CPU_BLOCK];

    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        const int n_runs = dsc_cpu_block_runs(b, tap, run);
        int64_t first, end;

        channels_of(row, n, tap, j->n_taps, &first, &end);
        for (int64_t c = first; c < end; c++) {
            const char *line = cols + (c * j->n_taps + tap - row) * b->n * size;

            for (int k = 0; k < n_runs; k++)
                dsc_cpu_conv_add(j, dx + (c * j->n_in + run[k].src) * size, step,
                                 line + run[k].at * size, 1, NULL, run[k].n);
        }
    }
}

void dsc_cpu_conv_product(const struct dsc_cpu_conv *j, bool is_trans_a, bool is_trans_b, int64_t m,
                          int64_t n, int64_t k, const char *a, int64_t lda, const char *b,
                          int64_t ldb, int beta, char *c, int64_t ldc)
{
    if (j->dtype == DSC_F32)
        dsc_sgemm(is_trans_a, is_trans_b, m, n, k, 1, (const float *)(const void *)a, lda,
                  (const float *)(const void *)b, ldb, (float)beta, (float *)(void *)c, ldc);
    else
        dsc_dgemm(is_trans_a, is_trans_b, m, n, k, 1, (const double *)(const void *)a, lda,
                  (const double *)(const void *)b, ldb, (double)beta, (double *)(void *)c, ldc);
}

/* ---- grids ---- */

/* Row-major number to places; true where all are inside of `in` after the shift. */
static bool input_row(const struct dsc_cpu_conv *j, int64_t row, const int64_t *phase,
                      int64_t *in_row)
{
    const struct dsc_window *w = &j->win;
    int64_t step = 1;
    bool is_inside = true;

    *in_row = 0;
    for (int i = w->rank - 2; i >= 0; i--) {
        const int64_t at = row % j->grid.pitch[i] * w->stride[i] + phase[i] - w->before[i];

        row /= j->grid.pitch[i];
        is_inside = is_inside && at >= 0 && at < w->in[i];
        *in_row += at * step;
        step *= w->in[i];
    }
    return is_inside;
}

static int64_t between(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static void spread_phase(const struct dsc_cpu_conv *j, const int64_t *phase, float *grid,
                         const float *x)
{
    const int inner = j->win.rank - 1;
    const int64_t pitch = j->grid.pitch[inner], step = j->win.stride[inner];
    const int64_t n_in = j->win.in[inner], shift = phase[inner] - j->win.before[inner];
    const int64_t low = between(dsc_n_parts(-shift, step), 0, pitch);
    const int64_t high = between(dsc_n_parts(n_in - shift, step), low, pitch);

    for (int64_t row = 0; row < j->grid.plane / pitch; row++, grid += pitch) {
        int64_t in_row;

        if (!input_row(j, row, phase, &in_row)) {
            memset(grid, 0, (size_t)pitch * sizeof *grid);
            continue;
        }
        memset(grid, 0, (size_t)low * sizeof *grid);
        j->kernels->take_f32(grid + low, x + in_row * n_in + low * step + shift, step, high - low);
        memset(grid + high, 0, (size_t)(pitch - high) * sizeof *grid);
    }
}

void dsc_cpu_conv_spread(const struct dsc_cpu_conv *j, float *grid, const float *x)
{
    int64_t phase[DSC_MAX_SPATIAL] = {0};
    int i = 0;

    while (i >= 0) {
        spread_phase(j, phase, grid, x);
        grid += j->grid.plane;
        for (i = j->win.rank - 1; i >= 0 && ++phase[i] == j->grid.phases[i]; i--)
            phase[i] = 0;
    }
}
