/*
 * Packing of weights for the integer product: panels of 16 columns; in a panel, for each four
 * values of k, 16 columns of four bytes, as one VNNI instruction reads them. Padding is 0, so that
 * it adds nothing whatever it meets.
 */
#include "kernels/kernels.h"

#include <string.h>

enum { PANEL = DSC_QGEMM_PANEL, GROUP = 4 };

static void pack_panel(int8_t *packed, int32_t *col_sum, const uint8_t *b, uint8_t flip, int64_t k,
                       int64_t n_cols, int64_t k_step, int64_t n_step)
{
    for (int64_t j = 0; j < n_cols; j++) {
        int32_t sum = 0;

        for (int64_t p = 0; p < k; p++) {
            int8_t v = (int8_t)(b[p * k_step + j * n_step] ^ flip);

            packed[p / GROUP * GROUP * PANEL + j * GROUP + p % GROUP] = v;
            sum += v;
        }
        col_sum[j] = sum;
    }
}

void dsc_qgemm_pack(int8_t *packed, int32_t *col_sum, const void *b, bool is_unsigned, int64_t k,
                    int64_t n, int64_t k_step, int64_t n_step)
{
    const int64_t panel_bytes = (k + GROUP - 1) / GROUP * GROUP * PANEL;

    for (int64_t j = 0; j < n; j += PANEL) {
        int64_t n_cols = n - j < PANEL ? n - j : PANEL;
        int8_t *panel = packed + j / PANEL * panel_bytes;

        if (n_cols < PANEL || k % GROUP)
            memset(panel, 0, (size_t)panel_bytes);
        pack_panel(panel, col_sum + j, (const uint8_t *)b + j * n_step, is_unsigned ? 0x80 : 0, k,
                   n_cols, k_step, n_step);
    }
}
