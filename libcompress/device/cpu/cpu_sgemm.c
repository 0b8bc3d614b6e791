/*
 * Products of f32 on packed weights, cut into tiles of rows and panels of columns, with an
 * epilogue on a tile while it is in the cache. K is cut, too, so that a panel and the rows that
 * meet it stay in the second-level cache; a sum goes on where it was, which changes no bit.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

/* Of a tile; columns are a multiple of the three panels that the fastest kernel takes at a time. */
enum { SGEMM_ROWS = 64, SGEMM_COLS = 192, SGEMM_DEPTH = 768 };

struct sgemm_job {
    const struct dsc_kernels *kernels;
    struct dsc_sgemm_packed whole;
    int64_t n_col_tiles;
    const struct dsc_epilogue *ep; /* NULL: nothing to do */
    enum dsc_dtype out;
    char *y;
};

static void multiply_tile(const struct sgemm_job *j, struct dsc_sgemm_packed q)
{
    const int64_t k = q.k;
    const float *bias = q.bias;

    for (int64_t p = 0; p == 0 || p < k; p += SGEMM_DEPTH) {
        q.k = k - p < SGEMM_DEPTH ? k - p : SGEMM_DEPTH;
        q.is_adding = p > 0;
        q.bias = p + q.k == k ? bias : NULL;
        j->kernels->sgemm_packed(&q);
        q.a += q.k;
        q.b += q.k * q.b_step;
    }
}

static void finish_tile(const struct sgemm_job *j, const struct dsc_sgemm_packed *q, int64_t row,
                        int64_t col)
{
    const int64_t size = (int64_t)dsc_dtype_bytes(j->out, 1), n = j->whole.n;

    for (int64_t r = 0; r < q->m; r++)
        dsc_cpu_finish_row(j->kernels, j->ep, j->out, j->y + ((row + r) * n + col) * size,
                           q->y + r * q->y_step, col, q->n);
}

static void sgemm_tile(void *ctx, int64_t tile)
{
    const struct sgemm_job *j = ctx;
    struct dsc_sgemm_packed q = j->whole;
    const int64_t row = tile / j->n_col_tiles * SGEMM_ROWS;
    const int64_t col = tile % j->n_col_tiles * SGEMM_COLS;
    float floats[SGEMM_ROWS * SGEMM_COLS];

    q.m = q.m - row < SGEMM_ROWS ? q.m - row : SGEMM_ROWS;
    q.n = q.n - col < SGEMM_COLS ? q.n - col : SGEMM_COLS;
    q.a += row * q.a_step;
    q.b += col / DSC_SGEMM_PANEL * q.b_panel_step;
    q.bias = q.bias ? q.bias + col : NULL;
    if (j->out == DSC_F32) {
        q.y = (float *)(void *)j->y + row * q.y_step + col;
    } else {
        q.y = floats;
        q.y_step = SGEMM_COLS;
    }
    multiply_tile(j, q);
    if (j->ep)
        finish_tile(j, &q, row, col);
}

enum dsc_status dsc_cpu_sgemm_packed(struct dsc_device *d, const struct dsc_sgemm_spec *spec,
                                     const struct dsc_tensor *y, const struct dsc_tensor *x,
                                     const struct dsc_tensor *packed, const struct dsc_tensor *bias,
                                     const struct dsc_epilogue *ep, struct dsc_err *e)
{
    struct sgemm_job j = {.kernels = d->kernels,
                          .whole = {.m = spec->m,
                                    .n = spec->n,
                                    .k = spec->k,
                                    .a = x->data,
                                    .a_step = spec->k,
                                    .b = packed->data,
                                    .b_step = DSC_SGEMM_PANEL,
                                    .b_panel_step = DSC_SGEMM_PANEL * spec->k,
                                    .alpha = 1,
                                    .bias = bias ? bias->data : NULL,
                                    .y_step = spec->n},
                          .out = y->dtype,
                          .y = y->data};

    if (x->dtype != DSC_F32)
        return dsc_cpu_no_dtype("sgemm_packed", x, e);
    if (y->dtype != DSC_F32 && y->dtype != DSC_U8 && y->dtype != DSC_I8)
        return dsc_cpu_no_dtype("sgemm_packed", y, e);
    if (spec->m == 0 || spec->n == 0)
        return DSC_OK;
    if (y->dtype != DSC_F32 || ep->act >= 0 || ep->mul)
        j.ep = ep;
    j.n_col_tiles = (spec->n + SGEMM_COLS - 1) / SGEMM_COLS;
    dsc_parallel_for(d->pool, (spec->m + SGEMM_ROWS - 1) / SGEMM_ROWS * j.n_col_tiles, sgemm_tile,
                     &j);
    return DSC_OK;
}
