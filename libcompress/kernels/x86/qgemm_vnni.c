/*
 * The integer product with AVX-512 VNNI: 8 rows by 48 columns of sums in 24 registers. Loops over
 * them have constant bounds: with an index known only at run time gcc keeps the sums in memory, at
 * less than half the speed.
 */
#include "kernels/kernels.h"

#include <immintrin.h>
#include <string.h>

enum { QGEMM_ROWS = 8, QGEMM_PANELS = 3, QGEMM_COLS = QGEMM_PANELS * DSC_QGEMM_PANEL };

#define QGEMM_NAME dsc_qgemm_vnni
#define INLINE static inline __attribute__((always_inline))

/* The last k % 4 values of k, added to the sums in memory. */
static void add_rest(int32_t *tile, const struct dsc_qgemm *q, const uint8_t *a, const int8_t *b,
                     int64_t panel_bytes, int rows, int panels, __m512i flip)
{
    const size_t n_bytes = (size_t)(q->k % 4);

    for (int r = 0; r < rows; r++) {
        int32_t four = 0;

        memcpy(&four, a + r * q->a_step, n_bytes);
        for (int p = 0; p < panels; p++) {
            int32_t *sum = tile + r * QGEMM_COLS + p * DSC_QGEMM_PANEL;
            __m512i x = _mm512_xor_si512(_mm512_set1_epi32(four), flip);

            _mm512_storeu_si512(sum, _mm512_dpbusd_epi32(_mm512_loadu_si512(sum), x,
                                                         _mm512_loadu_si512(b + p * panel_bytes)));
        }
    }
}

INLINE void block(int32_t *tile, const struct dsc_qgemm *q, int64_t row, int64_t panel, int rows,
                  int panels)
{
    const uint8_t *a = (const uint8_t *)q->a + row * q->a_step;
    const int64_t panel_bytes = (q->k + 3) / 4 * 64, k_whole = q->k / 4 * 4, a_step = q->a_step;
    const int8_t *b = q->b + panel * panel_bytes;
    const __m512i flip = _mm512_set1_epi8(q->a_is_signed ? (char)-128 : 0);
    __m512i sum[QGEMM_ROWS][QGEMM_PANELS], w[QGEMM_PANELS];

    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++)
            sum[r][p] = _mm512_setzero_si512();
    for (int64_t k = 0; k < k_whole; k += 4) {
        for (int p = 0; p < panels; p++)
            w[p] = _mm512_loadu_si512(b + k * 16 + p * panel_bytes);
        for (int r = 0; r < rows; r++) {
            int32_t four;
            __m512i x;

            memcpy(&four, a + k + r * a_step, sizeof four);
            x = _mm512_xor_si512(_mm512_set1_epi32(four), flip);
            for (int p = 0; p < panels; p++)
                sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], x, w[p]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++)
            _mm512_storeu_si512(tile + r * QGEMM_COLS + p * DSC_QGEMM_PANEL, sum[r][p]);
    if (q->k % 4)
        add_rest(tile, q, a + k_whole, b + k_whole * 16, panel_bytes, rows, panels, flip);
}

static int multiply(int32_t *tile, const struct dsc_qgemm *q, int64_t row, int64_t max_rows,
                    int64_t panel, int n_panels)
{
    if (max_rows >= 8) {
        if (n_panels == 1)
            block(tile, q, row, panel, 8, 1);
        else
            block(tile, q, row, panel, 8, QGEMM_PANELS);
        return 8;
    }
    if (max_rows >= 4) {
        if (n_panels == 1)
            block(tile, q, row, panel, 4, 1);
        else
            block(tile, q, row, panel, 4, QGEMM_PANELS);
        return 4;
    }
    if (n_panels == 1)
        block(tile, q, row, panel, 1, 1);
    else
        block(tile, q, row, panel, 1, QGEMM_PANELS);
    return 1;
}

#include "kernels/qgemm_body.h"
