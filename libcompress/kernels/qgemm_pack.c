/*
 * Packing of weights for the integer product: panels of 16 columns; in a panel, for each four
 * values of k, 16 columns of four bytes, as one VNNI instruction reads them. Padding is 0, so that
 * it adds nothing whatever it meets.
 */
#include "kernels/kernels.h"

#include <string.h>

enum { PANEL = DSC_QGEMM_PANEL, GROUP = 4 };

struct source {
    const uint8_t *b;
    uint8_t flip; /* 0x80 lowers unsigned elements by 128 */
    int64_t k, k_step, n_step;
};

/* Rows of B are dense: four of them at a time, sixteen columns side by side. */
static void pack_rows(int8_t *packed, int32_t *col_sum, const struct source *s)
{
    uint8_t *out = (uint8_t *)packed;
    int32_t sum[PANEL] = {0};

    for (int64_t p = 0; p + GROUP <= s->k; p += GROUP, out += GROUP * PANEL) {
        const uint8_t *r0 = s->b + p * s->k_step, *r1 = r0 + s->k_step, *r2 = r1 + s->k_step;
        const uint8_t *r3 = r2 + s->k_step;

        for (int j = 0; j < PANEL; j++) {
            out[4 * j] = r0[j] ^ s->flip;
            out[4 * j + 1] = r1[j] ^ s->flip;
            out[4 * j + 2] = r2[j] ^ s->flip;
            out[4 * j + 3] = r3[j] ^ s->flip;
        }
        for (int j = 0; j < PANEL; j++)
            sum[j] += (int8_t)(r0[j] ^ s->flip) + (int8_t)(r1[j] ^ s->flip) +
                      (int8_t)(r2[j] ^ s->flip) + (int8_t)(r3[j] ^ s->flip);
    }
    for (int64_t p = s->k / GROUP * GROUP; p < s->k; p++) {
        for (int j = 0; j < PANEL; j++) {
            const uint8_t v = s->b[p * s->k_step + j] ^ s->flip;

            out[4 * j + p % GROUP] = v;
            sum[j] += (int8_t)v;
        }
    }
    memcpy(col_sum, sum, sizeof sum);
}

/* Columns of B are dense: a group is four neighbours. Or anything else, element by element. */
static void pack_cols(int8_t *packed, int32_t *col_sum, const struct source *s, int64_t n_cols)
{
    const uint32_t flips = s->flip * 0x01010101u;

    for (int64_t j = 0; j < n_cols; j++) {
        const uint8_t *b = s->b + j * s->n_step;
        int64_t p = 0;
        int32_t sum = 0;

        for (; s->k_step == 1 && p + GROUP <= s->k; p += GROUP) {
            uint32_t four;

            memcpy(&four, b + p, sizeof four);
            four ^= flips;
            memcpy(packed + p * PANEL + j * GROUP, &four, sizeof four);
        }
        for (; p < s->k; p++)
            packed[p / GROUP * GROUP * PANEL + j * GROUP + p % GROUP] =
                (int8_t)(b[p * s->k_step] ^ s->flip);
        for (p = 0; p < s->k; p++)
            sum += (int8_t)(b[p * s->k_step] ^ s->flip);
        col_sum[j] = sum;
    }
}

void dsc_qgemm_pack(int8_t *packed, int32_t *col_sum, const void *b, bool is_unsigned, int64_t k,
                    int64_t n, int64_t k_step, int64_t n_step)
{
    const int64_t panel_bytes = (k + GROUP - 1) / GROUP * GROUP * PANEL;

    for (int64_t j = 0; j < n; j += PANEL) {
        const int64_t n_cols = n - j < PANEL ? n - j : PANEL;
        const struct source s = {(const uint8_t *)b + j * n_step, is_unsigned ? 0x80 : 0, k, k_step,
                                 n_step};
        int8_t *panel = packed + j / PANEL * panel_bytes;

        if (n_cols < PANEL || k % GROUP)
            memset(panel, 0, (size_t)panel_bytes);
        if (n_cols == PANEL && n_step == 1)
            pack_rows(panel, col_sum + j, &s);
        else
            pack_cols(panel, col_sum + j, &s, n_cols);
    }
}
