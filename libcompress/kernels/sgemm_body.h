/*
 * The product of f32 on a packed right side. Included once by each sgemm_<level>.c, which names
 * its lanes header and says how many rows and panels of sums its registers hold. Loops over them
 * have constant bounds: with an index known only at run time gcc keeps the sums in memory.
 */
#include "kernels/kernels.h"
#include "kernels/wide.h"

enum { PER_PANEL = DSC_SGEMM_PANEL / LANES };

#define INLINE static inline __attribute__((always_inline))

INLINE void finish_vector(const struct dsc_sgemm_packed *q, vf sum, int64_t row, int64_t col)
{
    vf y = sum * q->alpha;

    if (q->bias)
        y = y + v_get(q->bias + col, q->n - col, 0.0f);
    v_put(q->y + row * q->y_step + col, y, q->n - col);
}

INLINE void block(const struct dsc_sgemm_packed *q, int64_t row, int64_t panel, int rows,
                  int panels, bool is_listed)
{
    const float *a = q->a + row * q->a_step, *b = q->b + panel * q->b_panel_step;
    const int64_t a_step = q->a_step;
    vf sum[SGEMM_ROWS][SGEMM_PANELS * PER_PANEL], w[SGEMM_PANELS * PER_PANEL];

    for (int r = 0; r < rows; r++)
        for (int v = 0; v < panels * PER_PANEL; v++) {
            const int64_t col = panel * DSC_SGEMM_PANEL + v * LANES;

            sum[r][v] = q->is_adding ? v_get(q->y + (row + r) * q->y_step + col, q->n - col, 0.0f)
                                     : v_set(0.0f);
        }
    for (int64_t p = 0; p < q->k; p++, b += is_listed ? 0 : q->b_step) {
        const float *from = is_listed ? b + q->b_at[p] : b;

        for (int v = 0; v < panels * PER_PANEL; v++)
            w[v] = v_load(from + v / PER_PANEL * q->b_panel_step + v % PER_PANEL * LANES);
        for (int r = 0; r < rows; r++) {
            const vf x = v_set(a[p + r * a_step]);

            for (int v = 0; v < panels * PER_PANEL; v++)
                sum[r][v] = v_fma(x, w[v], sum[r][v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < panels * PER_PANEL; v++)
            if (panel * DSC_SGEMM_PANEL + v * LANES < q->n)
                finish_vector(q, sum[r][v], row + r, panel * DSC_SGEMM_PANEL + v * LANES);
}

/* All rows of some panels. */
INLINE void columns(const struct dsc_sgemm_packed *q, int64_t panel, int panels, bool is_listed)
{
    int64_t row = 0;

    for (; row + SGEMM_ROWS <= q->m; row += SGEMM_ROWS)
        block(q, row, panel, SGEMM_ROWS, panels, is_listed);
    if (SGEMM_ROWS > 4 && row + 4 <= q->m) {
        block(q, row, panel, SGEMM_ROWS > 4 ? 4 : 1, panels, is_listed);
        row += 4;
    }
    for (; row < q->m; row++)
        block(q, row, panel, 1, panels, is_listed);
}

INLINE void multiply(const struct dsc_sgemm_packed *q, bool is_listed)
{
    const int64_t n_panels = (q->n + DSC_SGEMM_PANEL - 1) / DSC_SGEMM_PANEL;
    int64_t panel = 0;

    for (; SGEMM_PANELS > 2 && n_panels - panel >= 3 && n_panels - panel != 4; panel += 3)
        columns(q, panel, SGEMM_PANELS > 2 ? 3 : 1, is_listed);
    for (; SGEMM_PANELS > 1 && n_panels - panel >= 2; panel += 2)
        columns(q, panel, SGEMM_PANELS > 1 ? 2 : 1, is_listed);
    for (; panel < n_panels; panel++)
        columns(q, panel, 1, is_listed);
}

void FN(sgemm_packed)(const struct dsc_sgemm_packed *q)
{
    if (q->b_at)
        multiply(q, true);
    else
        multiply(q, false);
}
