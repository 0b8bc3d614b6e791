/*
 * Products cut into tiles of rows and panels of columns, with an epilogue on a tile while it is in
 * the cache: what it makes codes of never exists as floats outside of it.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

/* Columns are a multiple of the three panels that the fastest kernels take at a time. */
enum { TILE_ROWS = 64, TILE_COLS = 192 };

struct job {
    const struct dsc_kernels *kernels;
    const struct dsc_cpu_product *p;
    const struct dsc_epilogue *ep; /* NULL: nothing to do */
    int64_t n_col_tiles;
    enum dsc_dtype out;
    char *y;
};

static void finish_tile(const struct job *j, const struct dsc_cpu_tile *t)
{
    const int64_t elem_bytes = (int64_t)dsc_dtype_bytes(j->out, 1);

    for (int64_t r = 0; r < t->m; r++)
        dsc_cpu_finish_row(j->kernels, j->ep, j->out,
                           j->y + ((t->row + r) * j->p->n + t->col) * elem_bytes,
                           t->y + r * t->y_step, t->col, t->n);
}

static void one_tile(void *ctx, int64_t tile)
{
    const struct job *j = ctx;
    const struct dsc_cpu_product *p = j->p;
    struct dsc_cpu_tile t = {.row = tile / j->n_col_tiles * TILE_ROWS,
                             .col = tile % j->n_col_tiles * TILE_COLS};
    float floats[TILE_ROWS * TILE_COLS];

    t.m = p->m - t.row < TILE_ROWS ? p->m - t.row : TILE_ROWS;
    t.n = p->n - t.col < TILE_COLS ? p->n - t.col : TILE_COLS;
    if (j->out == DSC_F32) {
        t.y = (float *)(void *)j->y + t.row * p->n + t.col;
        t.y_step = p->n;
    } else {
        t.y = floats;
        t.y_step = TILE_COLS;
    }
    p->multiply(j->kernels, p->ctx, &t);
    if (j->ep)
        finish_tile(j, &t);
}

enum dsc_status dsc_cpu_product(struct dsc_device *d, const char *prim,
                                const struct dsc_cpu_product *p, const struct dsc_epilogue *ep,
                                const struct dsc_tensor *y, struct dsc_err *err)
{
    struct job j = {.kernels = d->kernels, .p = p, .out = y->dtype, .y = y->data};

    if (y->dtype != DSC_F32 && !dsc_is_activation_code(y->dtype))
        return dsc_cpu_no_dtype(prim, y, err);
    if (p->m == 0 || p->n == 0)
        return DSC_OK;
    if (y->dtype != DSC_F32 || ep->act >= 0 || ep->mul)
        j.ep = ep;
    j.n_col_tiles = (p->n + TILE_COLS - 1) / TILE_COLS;
    dsc_parallel_for(d->pool, (p->m + TILE_ROWS - 1) / TILE_ROWS * j.n_col_tiles, one_tile, &j);
    return DSC_OK;
}
