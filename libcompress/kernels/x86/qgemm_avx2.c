/*
 * The integer product with AVX2, exact: bytes are widened to 16 bits, and pairs of products summed
 * in 32 (vpmaddwd). The 8-bit instruction (vpmaddubsw) would saturate. 3 rows by 16 columns of
 * sums, two partial sums each, fill 12 registers.
 */
#include "kernels/kernels.h"

#include <immintrin.h>
#include <string.h>

enum {
    QGEMM_ROWS = 3,
    QGEMM_PANELS = 1,
    QGEMM_COLS = QGEMM_PANELS * DSC_QGEMM_PANEL,
    QUARTERS = 4
};

#define QGEMM_NAME dsc_qgemm_avx2
#define INLINE static inline __attribute__((always_inline))

/* The last k % 4 values of k, added to the sums in memory. */
static void add_rest(int32_t *tile, const struct dsc_qgemm *q, const uint8_t *a, const int8_t *b,
                     int rows, uint8_t flip)
{
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < DSC_QGEMM_PANEL; j++)
            for (int64_t p = 0; p < q->k % 4; p++)
                tile[r * QGEMM_COLS + j] += (uint8_t)(a[r * q->a_step + p] ^ flip) * b[j * 4 + p];
}

/* Eight columns in order from the halves of two quarters. */
INLINE __m256i joined(__m256i low, __m256i high)
{
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

/* sum[r][s] holds columns 4 s to 4 s + 3, twice. */
INLINE void block(int32_t *tile, const struct dsc_qgemm *q, int64_t row, int64_t panel, int rows)
{
    const uint8_t *a = (const uint8_t *)q->a + row * q->a_step, flip = q->a_is_signed ? 0x80 : 0;
    const int64_t k_whole = q->k / 4 * 4, a_step = q->a_step;
    const int8_t *b = q->b + panel * ((q->k + 3) / 4 * 64);
    const __m128i flips = _mm_set1_epi8((char)flip);
    __m256i sum[QGEMM_ROWS][QUARTERS], x[QGEMM_ROWS];

    for (int r = 0; r < rows; r++)
        for (int s = 0; s < QUARTERS; s++)
            sum[r][s] = _mm256_setzero_si256();
    for (int64_t k = 0; k < k_whole; k += 4) {
        for (int r = 0; r < rows; r++) {
            int32_t four;

            memcpy(&four, a + k + r * a_step, sizeof four);
            x[r] = _mm256_cvtepu8_epi16(_mm_xor_si128(_mm_set1_epi32(four), flips));
        }
        for (int s = 0; s < QUARTERS; s++) {
            const __m128i *quarter = (const __m128i *)(const void *)(b + k * 16) + s;
            __m256i w = _mm256_cvtepi8_epi16(_mm_loadu_si128(quarter));

            for (int r = 0; r < rows; r++)
                sum[r][s] = _mm256_add_epi32(sum[r][s], _mm256_madd_epi16(x[r], w));
        }
    }
    for (int r = 0; r < rows; r++) {
        int32_t *out = tile + r * QGEMM_COLS;

        _mm256_storeu_si256((__m256i *)(void *)out, joined(sum[r][0], sum[r][1]));
        _mm256_storeu_si256((__m256i *)(void *)(out + 8), joined(sum[r][2], sum[r][3]));
    }
    if (q->k % 4)
        add_rest(tile, q, a + k_whole, b + k_whole * 16, rows, flip);
}

static int multiply(int32_t *tile, const struct dsc_qgemm *q, int64_t row, int64_t max_rows,
                    int64_t panel, int n_panels)
{
    (void)n_panels;
    if (max_rows >= 3) {
        block(tile, q, row, panel, 3);
        return 3;
    }
    block(tile, q, row, panel, 1);
    return 1;
}

#include "kernels/qgemm_body.h"
