/*
 * Packing of the right side of a product of f32: panels of 16 columns, a row of a panel after the
 * other. A transposed side moves in squares of 4 by 4.
 */
#include "kernels/kernels.h"

#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum { PANEL = DSC_SGEMM_PANEL };

/* Columns are rows in memory: elements of a column are neighbours. */
static void pack_transposed(float *panel, const float *b, int64_t k, int64_t n_step)
{
    int64_t p = 0;

#if defined(__SSE__)
    for (; p + 4 <= k; p += 4) {
        for (int j = 0; j < PANEL; j += 4) {
            const float *from = b + j * n_step + p;
            float *to = panel + p * PANEL + j;
            __m128 r0 = _mm_loadu_ps(from), r1 = _mm_loadu_ps(from + n_step);
            __m128 r2 = _mm_loadu_ps(from + 2 * n_step), r3 = _mm_loadu_ps(from + 3 * n_step);

            _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
            _mm_storeu_ps(to, r0);
            _mm_storeu_ps(to + PANEL, r1);
            _mm_storeu_ps(to + 2 * PANEL, r2);
            _mm_storeu_ps(to + 3 * PANEL, r3);
        }
    }
#endif
    for (; p < k; p++)
        for (int j = 0; j < PANEL; j++)
            panel[p * PANEL + j] = b[j * n_step + p];
}

void dsc_sgemm_pack(float *packed, const float *b, int64_t k, int64_t n, int64_t k_step,
                    int64_t n_step)
{
    for (int64_t first = 0; first < n; first += PANEL, packed += k * PANEL, b += PANEL * n_step) {
        const int64_t n_cols = n - first < PANEL ? n - first : PANEL;

        if (n_cols == PANEL && k_step == 1) {
            pack_transposed(packed, b, k, n_step);
            continue;
        }
        if (n_cols == PANEL && n_step == 1) {
            for (int64_t p = 0; p < k; p++)
                memcpy(packed + p * PANEL, b + p * k_step, PANEL * sizeof *b);
            continue;
        }
        for (int64_t p = 0; p < k; p++) {
            float *row = packed + p * PANEL;

            for (int64_t j = 0; j < n_cols; j++)
                row[j] = b[p * k_step + j * n_step];
            for (int64_t j = n_cols; j < PANEL; j++)
                row[j] = 0.0f;
        }
    }
}
