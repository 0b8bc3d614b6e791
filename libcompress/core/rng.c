/* Philox4x32-10 and what is drawn from it. */
#include "dsc/rng.h"

#include <math.h>

static uint32_t mul_hi(uint32_t a, uint32_t b)
{
    return (uint32_t)(((uint64_t)a * b) >> 32);
}

void dsc_rng_block(struct dsc_rng_key key, const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key.k[0], k1 = key.k[1];

    for (int round = 0; round < 10; round++) {
        const uint32_t hi0 = mul_hi(0xD2511F53u, c0), lo0 = 0xD2511F53u * c0;
        const uint32_t hi1 = mul_hi(0xCD9E8D57u, c2), lo1 = 0xCD9E8D57u * c2;

        c0 = hi1 ^ c1 ^ k0;
        c1 = lo1;
        c2 = hi0 ^ c3 ^ k1;
        c3 = lo0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

struct dsc_rng_key dsc_rng_key(uint64_t seed)
{
    return dsc_rng_mix((struct dsc_rng_key){{0x64736321u, 0}}, seed);
}

struct dsc_rng_key dsc_rng_mix(struct dsc_rng_key key, uint64_t value)
{
    const uint32_t counter[4] = {(uint32_t)value, (uint32_t)(value >> 32), 0, 0x6D6978u};
    uint32_t out[4];

    dsc_rng_block(key, counter, out);
    return (struct dsc_rng_key){{out[0], out[1]}};
}

struct dsc_rng_key dsc_rng_mix_text(struct dsc_rng_key key, const char *text)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a, then mixed by Philox */

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001B3u;
    return dsc_rng_mix(key, h);
}

void dsc_rng_init(struct dsc_rng *r, struct dsc_rng_key key)
{
    *r = (struct dsc_rng){.key = key};
}

uint32_t dsc_rng_u32(struct dsc_rng *r)
{
    const uint64_t block_idx = r->n_drawn / 4;

    if (r->n_drawn % 4 == 0) {
        const uint32_t counter[4] = {(uint32_t)block_idx, (uint32_t)(block_idx >> 32), 0, 0};

        dsc_rng_block(r->key, counter, r->block);
    }
    return r->block[r->n_drawn++ % 4];
}

uint64_t dsc_rng_below(struct dsc_rng *r, uint64_t n)
{
    const uint64_t reject_from = UINT64_MAX - UINT64_MAX % n;
    uint64_t v;

    do {
        v = (uint64_t)dsc_rng_u32(r) << 32;
        v |= dsc_rng_u32(r);
    } while (v >= reject_from);
    return v % n;
}

float dsc_rng_uniform(struct dsc_rng *r)
{
    return (float)(dsc_rng_u32(r) >> 8) * 0x1p-24f;
}

float dsc_rng_normal(struct dsc_rng *r)
{
    /* One of the pair is thrown away: a stream position then maps to exactly one draw. */
    const double u = ((double)(dsc_rng_u32(r) >> 8) + 0.5) * 0x1p-24;
    const double v = (double)(dsc_rng_u32(r) >> 8) * 0x1p-24;

    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

void dsc_rng_shuffle(struct dsc_rng *r, int64_t *idx, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)dsc_rng_below(r, i);
        const int64_t t = idx[i - 1];

        idx[i - 1] = idx[j];
        idx[j] = t;
    }
}
