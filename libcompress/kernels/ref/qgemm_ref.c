/*
 * The integer product, scalar: the specification.
 */
#include "kernels/kernels.h"

enum { QGEMM_ROWS = 1, QGEMM_PANELS = 1, QGEMM_COLS = QGEMM_PANELS * DSC_QGEMM_PANEL };

#define QGEMM_NAME dsc_qgemm_ref

static int multiply(int32_t *tile, const struct dsc_qgemm *q, int64_t row, int64_t max_rows,
                    int64_t panel, int n_panels)
{
    const uint8_t *a = (const uint8_t *)q->a + row * q->a_step, flip = q->a_is_signed ? 0x80 : 0;
    const int8_t *b = q->b + panel * ((q->k + 3) / 4) * 64;

    for (int64_t j = 0; j < DSC_QGEMM_PANEL; j++)
        tile[j] = 0;
    for (int64_t p = 0; p < q->k; p++)
        for (int64_t j = 0; j < DSC_QGEMM_PANEL; j++)
            tile[j] += (int32_t)(uint8_t)(a[p] ^ flip) * b[p / 4 * 64 + j * 4 + p % 4];
    (void)max_rows;
    (void)n_panels;
    return 1;
}

#include "kernels/qgemm_body.h"
