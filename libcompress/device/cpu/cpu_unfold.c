/* unfold: patches of one image of codes, a row for each window. Tiles are blocks of windows. */
#include "device/cpu/cpu_window.h"

#include <string.h>

enum { ROWS_PER_TILE = 64 };

struct unfold_job {
    struct dsc_window win;
    int64_t c, n_taps, first, n;
    int fill;
    char *rows;
    const char *x;
};

static void unfold_tile(void *ctx, int64_t tile)
{
    const struct unfold_job *j = ctx;
    const int64_t at = tile * ROWS_PER_TILE, left = j->n - at, row_bytes = j->n_taps * j->c;
    const int64_t n = left < ROWS_PER_TILE ? left : ROWS_PER_TILE;
    const int64_t step = j->win.stride[j->win.rank - 1] * j->c;
    char *rows = j->rows + at * row_bytes;
    struct dsc_cpu_run run[DSC_CPU_BLOCK];
    struct dsc_cpu_block b;

    memset(rows, j->fill, (size_t)(n * row_bytes));
    dsc_cpu_block_init(&b, &j->win, j->first + at, n);
    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        const int n_runs = dsc_cpu_block_runs(&b, tap, run);

        for (int k = 0; k < n_runs; k++) {
            char *to = rows + run[k].at * row_bytes + tap * j->c;
            const char *from = j->x + run[k].src * j->c;

            for (int i = 0; i < run[k].n; i++)
                memcpy(to + i * row_bytes, from + i * step, (size_t)j->c);
        }
    }
}

enum dsc_status dsc_cpu_unfold(struct dsc_device *d, const struct dsc_window *w, int64_t c,
                               int fill, int64_t first, const struct dsc_tensor *rows,
                               const struct dsc_tensor *x, struct dsc_err *e)
{
    struct unfold_job j = {.win = dsc_window_join(w),
                           .c = c,
                           .first = first,
                           .n = rows->dim[0],
                           .fill = fill,
                           .rows = rows->data,
                           .x = x->data};

    if (x->dtype != DSC_U8 && x->dtype != DSC_I8)
        return dsc_cpu_no_dtype("unfold", x, e);
    j.n_taps = dsc_cpu_window_n_taps(&j.win);
    dsc_parallel_for(d->pool, (j.n + ROWS_PER_TILE - 1) / ROWS_PER_TILE, unfold_tile, &j);
    return DSC_OK;
}
