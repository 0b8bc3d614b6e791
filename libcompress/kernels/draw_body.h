/*
 * Dropout and rounding: random words from Philox4x32-10 (Salmon et al. 2011), 64 counters at a
 * time, to hide the latency of its ten rounds. The words are those of dsc_rng_block (core/rng.c).
 * Included once by each draw_<level>.c, which names its lanes header.
 */
#include "kernels/kernels.h"
#include "kernels/wide.h"

enum { DRAW_BLOCKS = 64, DRAW_PARTS = DRAW_BLOCKS / LANES, DRAW_WORDS = 4 * DRAW_BLOCKS };

/* The counters, and what becomes of them. */
struct philox {
    vu c0[DRAW_PARTS], c1[DRAW_PARTS], c2[DRAW_PARTS], c3[DRAW_PARTS];
};

static inline vu load_words(const uint32_t *p)
{
    vu v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline void ten_rounds(struct philox *x, uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        for (int p = 0; p < DRAW_PARTS; p++) {
            vu upper0, upper1;
            vu lower0 = v_mul_wide(x->c0[p], 0xD2511F53u, &upper0);
            vu lower1 = v_mul_wide(x->c2[p], 0xCD9E8D57u, &upper1);

            x->c0[p] = upper1 ^ x->c1[p] ^ k0;
            x->c1[p] = lower1;
            x->c2[p] = upper0 ^ x->c3[p] ^ k1;
            x->c3[p] = lower0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* word[4 b + w] = word w of block first + b */
static void draw(uint32_t word[DRAW_WORDS], const uint32_t key[2], uint64_t example, uint64_t first)
{
    uint32_t lower[DRAW_BLOCKS], upper[DRAW_BLOCKS], out[4][DRAW_BLOCKS];
    struct philox x;

    for (uint32_t b = 0; b < DRAW_BLOCKS; b++) {
        lower[b] = (uint32_t)(first + b);
        upper[b] = (uint32_t)((first + b) >> 32);
    }
    for (int p = 0; p < DRAW_PARTS; p++) {
        x.c0[p] = load_words(lower + p * LANES);
        x.c1[p] = load_words(upper + p * LANES);
        x.c2[p] = (uint32_t)example + (vu){0};
        x.c3[p] = (uint32_t)(example >> 32) + (vu){0};
    }
    ten_rounds(&x, key[0], key[1]);
    memcpy(out[0], x.c0, sizeof out[0]);
    memcpy(out[1], x.c1, sizeof out[1]);
    memcpy(out[2], x.c2, sizeof out[2]);
    memcpy(out[3], x.c3, sizeof out[3]);
    for (int b = 0; b < DRAW_BLOCKS; b++)
        for (int w = 0; w < 4; w++)
            word[4 * b + w] = out[w][b];
}

void FN(dropout_f32)(float *y, bool *mask, const float *x, const struct dsc_dropout *p,
                     int64_t first, int64_t n)
{
    uint32_t word[DRAW_WORDS];
    float kept[DRAW_WORDS];

    for (int64_t i = 0, n_now; i < n; i += n_now) {
        const int64_t skip = (first + i) % 4;
        const uint32_t *w = word + skip;

        draw(word, p->key, p->example, (uint64_t)(first + i) / 4);
        n_now = n - i < DRAW_WORDS - skip ? n - i : DRAW_WORDS - skip;
        for (int64_t k = 0; k < n_now; k++)
            kept[k] = w[k] >= p->threshold ? x[i + k] * p->scale : 0.0f;
        if (p->is_adding)
            for (int64_t k = 0; k < n_now; k++)
                y[i + k] += kept[k];
        else
            memcpy(y + i, kept, (size_t)n_now * sizeof kept[0]);
        if (mask)
            for (int64_t k = 0; k < n_now; k++)
                mask[i + k] = w[k] >= p->threshold;
    }
}

void FN(uniform_f32)(float *y, const struct dsc_uniform *p, int64_t first, int64_t n)
{
    uint32_t word[DRAW_WORDS];

    for (int64_t i = 0, n_now; i < n; i += n_now) {
        const int64_t skip = (first + i) % 4;

        draw(word, p->key, p->example, (uint64_t)(first + i) / 4);
        n_now = n - i < DRAW_WORDS - skip ? n - i : DRAW_WORDS - skip;
        for (int64_t k = 0; k < n_now; k++)
            y[i + k] = (float)(word[skip + k] >> 8) * 0x1p-24f;
    }
}
