/*
 * Integer matrix products on packed weights, cut into tiles of rows and panels of columns. An
 * epilogue runs on a tile while it is in the cache; codes never exist as floats outside of it.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

/* Of a tile; columns are a multiple of the three panels that the fastest kernel takes at a time. */
enum { QGEMM_ROWS = 64, QGEMM_COLS = 192 };

struct qgemm_job {
    const struct dsc_kernels *kernels;
    struct dsc_qgemm whole;
    int64_t panel_bytes, n_col_tiles;
    const struct dsc_epilogue *ep; /* NULL: nothing to do */
    enum dsc_dtype out;
    char *y;
};

/* The epilogue of a tile of floats; rows of y start at (row, col) of the whole. */
static void finish_tile(const struct qgemm_job *j, const struct dsc_qgemm *q, int64_t row,
                        int64_t col)
{
    const int64_t size = (int64_t)dsc_dtype_bytes(j->out, 1), n = j->whole.n;

    for (int64_t r = 0; r < q->m; r++)
        dsc_cpu_finish_row(j->kernels, j->ep, j->out, j->y + ((row + r) * n + col) * size,
                           q->y + r * q->y_step, col, q->n);
}

static void qgemm_tile(void *ctx, int64_t tile)
{
    const struct qgemm_job *j = ctx;
    struct dsc_qgemm q = j->whole;
    const int64_t row = tile / j->n_col_tiles * QGEMM_ROWS;
    const int64_t col = tile % j->n_col_tiles * QGEMM_COLS;
    float floats[QGEMM_ROWS * QGEMM_COLS];

    q.m = q.m - row < QGEMM_ROWS ? q.m - row : QGEMM_ROWS;
    q.n = q.n - col < QGEMM_COLS ? q.n - col : QGEMM_COLS;
    q.a = (const char *)q.a + row * q.a_step;
    q.b += col / DSC_QGEMM_PANEL * j->panel_bytes;
    q.col_sum += col;
    q.b_scale += col * q.b_scale_step;
    q.bias = q.bias ? q.bias + col : NULL;
    if (j->out == DSC_F32) {
        q.y = (float *)(void *)j->y + row * q.y_step + col;
    } else {
        q.y = floats;
        q.y_step = QGEMM_COLS;
    }
    j->kernels->qgemm(&q);
    if (j->ep)
        finish_tile(j, &q, row, col);
}

enum dsc_status dsc_cpu_qgemm_packed(struct dsc_device *d, const struct dsc_qgemm_spec *spec,
                                     const struct dsc_tensor *y, const struct dsc_tensor *x,
                                     const struct dsc_tensor *packed,
                                     const struct dsc_tensor *col_sum,
                                     const struct dsc_tensor *w_scale,
                                     const struct dsc_tensor *bias, const struct dsc_epilogue *ep,
                                     struct dsc_err *e)
{
    struct qgemm_job j = {.kernels = d->kernels,
                          .out = y->dtype,
                          .y = y->data,
                          .whole = {.m = spec->m,
                                    .n = spec->n,
                                    .k = spec->k,
                                    .a = x->data,
                                    .a_step = spec->k,
                                    .a_is_signed = x->dtype == DSC_I8,
                                    .b = packed->data,
                                    .col_sum = col_sum->data,
                                    .a_zero = &spec->x_zero,
                                    .a_scale = &spec->x_scale,
                                    .b_scale = w_scale->data,
                                    .b_scale_step = dsc_tensor_n_elems(w_scale) > 1,
                                    .bias = bias ? bias->data : NULL,
                                    .y_step = spec->n}};

    if (x->dtype != DSC_U8 && x->dtype != DSC_I8)
        return dsc_cpu_no_dtype("qgemm_packed", x, e);
    if (y->dtype != DSC_F32 && y->dtype != DSC_U8 && y->dtype != DSC_I8)
        return dsc_cpu_no_dtype("qgemm_packed", y, e);
    if (spec->m == 0 || spec->n == 0)
        return DSC_OK;
    if (y->dtype != DSC_F32 || ep->act >= 0 || ep->mul)
        j.ep = ep;
    j.panel_bytes = (spec->k + 3) / 4 * 4 * DSC_QGEMM_PANEL;
    j.n_col_tiles = (spec->n + QGEMM_COLS - 1) / QGEMM_COLS;
    dsc_parallel_for(d->pool, (spec->m + QGEMM_ROWS - 1) / QGEMM_ROWS * j.n_col_tiles, qgemm_tile,
                     &j);
    return DSC_OK;
}
