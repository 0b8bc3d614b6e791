/* Packing of codes of 4 and 8 bits; kernels.h says how they lie. */
#include "kernels/kernels.h"

static inline uint32_t code_at(const uint8_t *b, int bits, int64_t i)
{
    return bits == 8 ? b[i] : (uint32_t)b[i / 2] >> (i % 2 * 4) & 15;
}

void dsc_codes_pack(uint32_t *words, const struct dsc_code_layout *l, const void *b, bool is_signed,
                    int64_t k_step, int64_t n_step)
{
    const uint32_t flip = is_signed ? 1u << (l->bits - 1) : 0;
    const int64_t per_word = 32 / l->bits;

    for (int64_t first = 0; first < l->n; first += DSC_SGEMM_PANEL)
        for (int64_t p = 0, end; p < l->k; p = end) {
            const int64_t group_end = (p / l->group + 1) * l->group;

            end = group_end < l->k ? group_end : l->k;
            end = p + per_word < end ? p + per_word : end;
            for (int64_t j = first; j < first + DSC_SGEMM_PANEL; j++) {
                uint32_t word = 0;

                for (int64_t i = end - 1; j < l->n && i >= p; i--)
                    word = word << l->bits | (code_at(b, l->bits, i * k_step + j * n_step) ^ flip);
                *words++ = word;
            }
        }
}
