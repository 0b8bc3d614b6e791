/* Integer matrix products on packed weights, cut into tiles of rows and panels of columns. */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

/* Of a tile; columns are a multiple of the three panels that the fastest kernel takes at a time. */
enum { QGEMM_ROWS = 64, QGEMM_COLS = 192 };

struct qgemm_job {
    const struct dsc_kernels *kernels;
    struct dsc_qgemm whole;
    int64_t panel_bytes, n_col_tiles;
};

static void qgemm_tile(void *ctx, int64_t tile)
{
    const struct qgemm_job *j = ctx;
    struct dsc_qgemm q = j->whole;
    const int64_t row = tile / j->n_col_tiles * QGEMM_ROWS;
    const int64_t col = tile % j->n_col_tiles * QGEMM_COLS;

    q.m = q.m - row < QGEMM_ROWS ? q.m - row : QGEMM_ROWS;
    q.n = q.n - col < QGEMM_COLS ? q.n - col : QGEMM_COLS;
    q.a = (const char *)q.a + row * q.a_step;
    q.b += col / DSC_QGEMM_PANEL * j->panel_bytes;
    q.col_sum += col;
    q.b_scale += col * q.b_scale_step;
    q.bias = q.bias ? q.bias + col : NULL;
    q.y += row * q.y_step + col;
    j->kernels->qgemm(&q);
}

enum dsc_status dsc_cpu_qgemm_packed(struct dsc_device *d, const struct dsc_qgemm_spec *spec,
                                     const struct dsc_tensor *y, const struct dsc_tensor *x,
                                     const struct dsc_tensor *packed,
                                     const struct dsc_tensor *col_sum,
                                     const struct dsc_tensor *w_scale,
                                     const struct dsc_tensor *bias, struct dsc_err *e)
{
    struct qgemm_job j = {.kernels = d->kernels,
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
                                    .y = y->data,
                                    .y_step = spec->n}};

    if (x->dtype != DSC_U8 && x->dtype != DSC_I8)
        return dsc_cpu_no_dtype("qgemm_packed", x, e);
    if (spec->m == 0 || spec->n == 0)
        return DSC_OK;
    j.panel_bytes = (spec->k + 3) / 4 * 4 * DSC_QGEMM_PANEL;
    j.n_col_tiles = (spec->n + QGEMM_COLS - 1) / QGEMM_COLS;
    dsc_parallel_for(d->pool, (spec->m + QGEMM_ROWS - 1) / QGEMM_ROWS * j.n_col_tiles, qgemm_tile,
                     &j);
    return DSC_OK;
}
