/*
 * Random numbers from a counter: the same (key, counter) gives the same numbers on every machine,
 * in any order and from any thread.
 *
 * Source  Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox4x32-10
 */
#ifndef DSC_RNG_H
#define DSC_RNG_H

#include <stddef.h>
#include <stdint.h>

/** Names a stream. Keys are made by mixing what identifies a draw (seed, node name, step, ..). */
struct dsc_rng_key {
    uint32_t k[2];
};

/** Four numbers, uniform over all 32-bit values, for one 128-bit counter. */
void dsc_rng_block(struct dsc_rng_key key, const uint32_t counter[4], uint32_t out[4]);

struct dsc_rng_key dsc_rng_key(uint64_t seed);
struct dsc_rng_key dsc_rng_mix(struct dsc_rng_key key, uint64_t value);
struct dsc_rng_key dsc_rng_mix_text(struct dsc_rng_key key, const char *text);

/** A sequential reader of one stream, for code that simply wants "the next number". */
struct dsc_rng {
    struct dsc_rng_key key;
    uint64_t n_drawn;
    uint32_t block[4];
};

void dsc_rng_init(struct dsc_rng *r, struct dsc_rng_key key);
uint32_t dsc_rng_u32(struct dsc_rng *r);
uint64_t dsc_rng_below(struct dsc_rng *r, uint64_t n); /* uniform in [0, n), unbiased; n > 0 */
float dsc_rng_uniform(struct dsc_rng *r);              /* [0, 1), 24 bits */
float dsc_rng_normal(struct dsc_rng *r);               /* mean 0, variance 1; Box-Muller */

/** Shuffle n indices in place (Fisher-Yates). */
void dsc_rng_shuffle(struct dsc_rng *r, int64_t *idx, size_t n);

#endif
