/*
 * The integer product around its innermost loop. A file qgemm_<level>.c defines QGEMM_NAME and
 *
 *   static int multiply(int32_t *tile, const struct dsc_qgemm *q, int64_t row, int64_t max_rows,
 *                       int64_t panel, int n_panels)
 *
 * which writes sums of (A, or A + 128 where A is signed) times B to tile [rows][QGEMM_COLS] for up
 * to max_rows rows, at most QGEMM_ROWS, and n_panels panels (QGEMM_PANELS or 1); it returns the
 * number of rows. Everything behind those sums is here, in integers and then in single f32
 * operations: equal at every level.
 */
#include "kernels/kernels.h"

/* What a group of columns needs in the end, spread out. */
struct columns {
    uint32_t sum[QGEMM_COLS], zero[QGEMM_COLS];
    float scale[QGEMM_COLS], bias[QGEMM_COLS];
};

static void take_columns(struct columns *c, const struct dsc_qgemm *q, int64_t col, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        c->sum[j] = (uint32_t)q->col_sum[col + j];
        c->zero[j] = q->b_zero ? (uint32_t)q->b_zero[(col + j) * q->b_zero_step] : 0;
        c->scale[j] = q->y ? q->b_scale[(col + j) * q->b_scale_step] : 0.0f;
        c->bias[j] = q->y && q->bias ? q->bias[col + j] : 0.0f;
    }
}

/* The sum of row i of A minus k times its zero point. */
static uint32_t row_sum(const struct dsc_qgemm *q, int64_t i, int32_t zero)
{
    const uint8_t *a = (const uint8_t *)q->a + i * q->a_step;
    int32_t sum = 0;

    if (q->a_is_signed)
        for (int64_t p = 0; p < q->k; p++)
            sum += (int8_t)a[p];
    else
        for (int64_t p = 0; p < q->k; p++)
            sum += a[p];
    return (uint32_t)sum - (uint32_t)q->k * (uint32_t)zero;
}

/* Unsigned arithmetic: products with a zero point may pass 2^31 on their way to a sum that fits. */
static void finish_row(const struct dsc_qgemm *q, const struct columns *c, const int32_t *tile,
                       int64_t i, int64_t col, int64_t n)
{
    int32_t zero = q->a_zero[i * q->a_zero_step], t[QGEMM_COLS];
    uint32_t shift = (uint32_t)zero + (q->a_is_signed ? 128 : 0);

    for (int64_t j = 0; j < n; j++)
        t[j] = (int32_t)((uint32_t)tile[j] - shift * c->sum[j]);
    if (q->b_zero) {
        uint32_t sum = row_sum(q, i, zero);

        for (int64_t j = 0; j < n; j++)
            t[j] = (int32_t)((uint32_t)t[j] - c->zero[j] * sum);
    }
    if (q->acc)
        for (int64_t j = 0; j < n; j++)
            q->acc[i * q->y_step + col + j] = t[j];
    if (q->y) {
        float scale = q->a_scale[i * q->a_scale_step];
        float *y = q->y + i * q->y_step + col;

        for (int64_t j = 0; j < n; j++)
            y[j] = (float)t[j] * (scale * c->scale[j]) + c->bias[j];
    }
}

void QGEMM_NAME(const struct dsc_qgemm *q)
{
    const int64_t n_panels = (q->n + DSC_QGEMM_PANEL - 1) / DSC_QGEMM_PANEL;
    int32_t tile[QGEMM_ROWS * QGEMM_COLS];
    struct columns columns;

    for (int64_t panel = 0, step; panel < n_panels; panel += step) {
        int64_t col = panel * DSC_QGEMM_PANEL, n;

        step = n_panels - panel >= QGEMM_PANELS ? QGEMM_PANELS : 1;
        n = q->n - col < step * DSC_QGEMM_PANEL ? q->n - col : step * DSC_QGEMM_PANEL;
        take_columns(&columns, q, col, n);
        for (int64_t row = 0; row < q->m;) {
            int rows = multiply(tile, q, row, q->m - row, panel, (int)step);

            for (int r = 0; r < rows; r++)
                finish_row(q, &columns, tile + r * QGEMM_COLS, row + r, col, n);
            row += rows;
        }
    }
}
