/*
 * Quantization of rows. Rounding is half to even, scales divide (QuantizeLinear's text). Included
 * once by each quant_<level>.c, which names its lanes header.
 */
#include "kernels/kernels.h"
#include "kernels/vecmath.h"

/*
 * round(x / scale) + zero, held in [low, high]; all in f32, where such integers are exact. Limits
 * are taken before the zero point is added, so that a huge quotient loses nothing; NaN gives low.
 */
static inline vf quantized(vf x, float scale, float zero, float low, float high)
{
    vf q = v_rint(x / scale);

    return v_min(v_max(q, v_set(low - zero)), v_set(high - zero)) + zero;
}

#define QUANTIZE(slot, type, store, low, high)                                         \
    void FN(slot)(type * y, const float *x, float scale, int32_t zero, int64_t n)      \
    {                                                                                  \
        type last[LANES];                                                              \
                                                                                       \
        for (int64_t i = 0; i < n; i += LANES) {                                       \
            int64_t left = n - i;                                                      \
            vf q = quantized(v_get(x + i, left, 0.0f), scale, (float)zero, low, high); \
                                                                                       \
            store(left >= LANES ? y + i : last, v_to_int(q));                          \
            if (left < LANES)                                                          \
                memcpy(y + i, last, (size_t)left * sizeof last[0]);                    \
        }                                                                              \
    }

#define DEQUANTIZE(slot, type, load)                                                        \
    void FN(slot)(float *y, const type *x, float scale, int32_t zero, int64_t n)            \
    {                                                                                       \
        type last[LANES] = {0};                                                             \
                                                                                            \
        for (int64_t i = 0; i < n; i += LANES) {                                            \
            int64_t left = n - i;                                                           \
                                                                                            \
            if (left < LANES)                                                               \
                memcpy(last, x + i, (size_t)left);                                          \
            v_put(y + i, v_of_int(load(left < LANES ? last : x + i) - zero) * scale, left); \
        }                                                                                   \
    }

/* A scale and (where zero is not NULL) a zero point for each element. */
#define DEQUANTIZE_COLS(slot, type, load)                                                   \
    void FN(slot)(float *y, const type *x, const float *scale, const type *zero, int64_t n) \
    {                                                                                       \
        type last[LANES] = {0}, last_zero[LANES] = {0};                                     \
                                                                                            \
        for (int64_t i = 0; i < n; i += LANES) {                                            \
            int64_t left = n - i;                                                           \
            const type *z = last_zero;                                                      \
                                                                                            \
            if (left < LANES)                                                               \
                memcpy(last, x + i, (size_t)left);                                          \
            if (zero && left < LANES)                                                       \
                memcpy(last_zero, zero + i, (size_t)left);                                  \
            else if (zero)                                                                  \
                z = zero + i;                                                               \
            v_put(y + i,                                                                    \
                  v_of_int(load(left < LANES ? last : x + i) - load(z)) *                   \
                      v_get(scale + i, left, 0.0f),                                         \
                  left);                                                                    \
        }                                                                                   \
    }

QUANTIZE(quantize_u8_f32, uint8_t, v_store_low8, 0.0f, 255.0f)
QUANTIZE(quantize_s8_f32, int8_t, v_store_low8, -128.0f, 127.0f)
QUANTIZE(quantize_u16_f32, uint16_t, v_store_low16, 0.0f, 65535.0f)
QUANTIZE(quantize_s16_f32, int16_t, v_store_low16, -32768.0f, 32767.0f)
DEQUANTIZE(dequantize_u8_f32, uint8_t, v_load_u8)
DEQUANTIZE(dequantize_s8_f32, int8_t, v_load_s8)
DEQUANTIZE_COLS(dequantize_cols_u8_f32, uint8_t, v_load_u8)
DEQUANTIZE_COLS(dequantize_cols_s8_f32, int8_t, v_load_s8)

/*
 * Codes become numbers by their bits: in [2^23, 2^24) a float's last bit is worth 1, so 2^23 + code
 * is the code put into the bits of 2^23, and subtracting 2^23 + zero is exact.
 */
static inline __attribute__((always_inline)) void expand(float *y, const uint32_t *words, int bits,
                                                         vf scale, vf zero, int64_t n_rows)
{
    const int per_word = 32 / bits;
    vu w;

    for (; n_rows >= per_word; n_rows -= per_word, words += DSC_SGEMM_PANEL) {
        memcpy(&w, words, sizeof w);
        for (int i = 0; i < per_word; i++, y += DSC_SGEMM_PANEL, w >>= bits)
            v_store(y, (v_of_bits((w & ((1u << bits) - 1)) | 0x4b000000) - zero) * scale);
    }
    if (n_rows > 0)
        memcpy(&w, words, sizeof w);
    for (; n_rows > 0; n_rows--, y += DSC_SGEMM_PANEL, w >>= bits)
        v_store(y, (v_of_bits((w & ((1u << bits) - 1)) | 0x4b000000) - zero) * scale);
}

void FN(expand_codes_f32)(float *y, const uint32_t *words, int bits, const float *scale,
                          const uint8_t *zero, int64_t n_rows)
{
    for (int j = 0; j < DSC_SGEMM_PANEL; j += LANES) {
        const vf z = v_of_int(v_load_u8(zero + j)) + 0x1p23f, s = v_load(scale + j);

        if (bits == 4)
            expand(y + j, words + j, 4, s, z, n_rows);
        else
            expand(y + j, words + j, 8, s, z, n_rows);
    }
}

/*
 * In double every step but the last rounding is exact, for no sum reaches 2^53; compilers make
 * vectors of it.
 */
static inline __attribute__((always_inline)) void join(float *y, const struct dsc_split_sums *s,
                                                       int64_t scale_step, bool has_bias, int64_t n)
{
    const double zero = s->zero;

    for (int64_t j = 0; j < n; j++) {
        const double t =
            (double)s->high[j] * 256.0 + (double)s->low[j] - zero * (double)s->col_sum[j];
        const float v = (float)t * (s->a_scale * s->b_scale[j * scale_step]);

        y[j] = has_bias ? v + s->bias[j] : v;
    }
}

void FN(join_sums)(float *y, const struct dsc_split_sums *s, int64_t n)
{
    if (s->b_scale_step && s->bias)
        join(y, s, 1, true, n);
    else if (s->b_scale_step)
        join(y, s, 1, false, n);
    else
        join(y, s, 0, s->bias != NULL, n);
}

void FN(range_f32)(float *low, float *high, const float *x, int64_t n)
{
    struct wide top = wide_set(-INFINITY), bottom = wide_set(-INFINITY); /* of -x */

    for (int64_t block = 0; block < n; block += WIDE) {
        for (int p = 0; p < PARTS; p++) {
            int64_t i = block + p * LANES;

            if (i < n) {
                vf up = v_get(x + i, n - i, -INFINITY), down = -v_get(x + i, n - i, INFINITY);

                top.part[p] = v_max_or_nan(top.part[p], up);
                bottom.part[p] = v_max_or_nan(bottom.part[p], down);
            }
        }
    }
    *low = -wide_max(bottom);
    *high = wide_max(top);
}

int64_t FN(histogram_f32)(uint64_t *count, int32_t first_bin, int32_t n_bins, float inv_width,
                          const float *x, int64_t n)
{
    int64_t n_outside = 0;
    int32_t bin[LANES];

    for (int64_t i = 0; i < n; i += LANES) {
        int64_t left = n - i;
        vf b = v_floor(v_get(x + i, left, 0.0f) * inv_width) - (float)first_bin;

        /* NaN becomes -1, outside as all below bin 0 */
        b = v_min(v_max(b, v_set(-1.0f)), v_set((float)n_bins));
        v_store_i32(bin, v_to_int(b));
        for (int64_t k = 0; k < LANES && k < left; k++) {
            if (bin[k] >= 0 && bin[k] < n_bins)
                count[bin[k]]++;
            else
                n_outside++;
        }
    }
    return n_outside;
}

float FN(code_error_f32)(const float *v, const float *c, const struct dsc_code_grid *grid,
                         int64_t n)
{
    const vf low = v_set(grid->low), high = v_set(grid->high), one = v_set(1.0f);
    struct wide acc = wide_set(0.0f);

    for (int64_t block = 0; block < n; block += WIDE) {
        for (int p = 0; p < PARTS; p++) {
            int64_t i = block + p * LANES, left = n - i;
            vf x, e;

            if (left <= 0)
                continue;
            x = v_get(v + i, left, 0.0f);
            e = x - v_min(v_max(v_rint(x * grid->inverse), low), high) * grid->scale;
            e = e * e * (c ? v_get(c + i, left, 0.0f) : one);
            acc.part[p] = acc.part[p] + (left < LANES ? v_keep(e, left) : e);
        }
    }
    return wide_sum(acc);
}

static inline vf usable_scale(vf scale)
{
    return v_max(scale, v_set(DSC_FAKE_QUANT_MIN_SCALE));
}

/* Up where the noise is less than what is above the floor; without noise half to even. */
static inline vf rounded(vf v, const float *noise, int64_t left)
{
    vf f;

    if (!noise)
        return v_rint(v);
    f = v_floor(v);
    return f + v_sel(v_lt(v_get(noise, left, 0.0f), v - f), v_set(1.0f), v_set(0.0f));
}

static inline const float *at(const float *noise, int64_t i)
{
    return noise ? noise + i : NULL;
}

/* NaN stays NaN, for training must notice it */
static inline vf fake(vf x, const float *noise, vf scale, const struct dsc_fake_quant *q,
                      int64_t left)
{
    vf code =
        v_min(v_set(q->high), v_max(v_set(q->low), rounded(x / scale, noise, left) + q->zero));

    return (code - q->zero) * scale;
}

void FN(fake_quant_f32)(float *y, const float *x, const float *noise, float scale,
                        const struct dsc_fake_quant *q, int64_t n)
{
    vf s = usable_scale(v_set(scale));

    for (int64_t i = 0; i < n; i += LANES)
        v_put(y + i, fake(v_get(x + i, n - i, 0.0f), at(noise, i), s, q, n - i), n - i);
}

void FN(fake_quant_cols_f32)(float *y, const float *x, const float *noise, const float *scale,
                             const struct dsc_fake_quant *q, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        vf s = usable_scale(v_get(scale + i, n - i, 1.0f));

        v_put(y + i, fake(v_get(x + i, n - i, 0.0f), at(noise, i), s, q, n - i), n - i);
    }
}

/*
 * dy/dx is 1 inside the limits, else 0; dy/dscale is rounded(x/s) - x/s inside (times q's factor),
 * and limit - still where x/s is at an edge or beyond it; there dy/doffset is 1.
 */
struct lsq {
    vf dx, dscale, doffset;
};

static inline struct lsq lsq(vf dy, vf x, const float *noise, vf scale,
                             const struct dsc_fake_quant *q, int64_t left)
{
    vf low = v_set(q->low - q->zero), high = v_set(q->high - q->zero), none = v_set(0.0f);
    vf v = x / scale;
    vm is_low = v_le(v, low), is_high = v_le(high, v);
    vf slope = v_sel(is_low, v_set(q->low - q->still),
                     v_sel(is_high, v_set(q->high - q->still),
                           (rounded(v, noise, left) - v) * v_set(q->inside)));
    vf dx = v_sel(is_low, none, v_sel(is_high, none, dy));

    return (struct lsq){dx, dy * slope, dy - dx};
}

void FN(fake_quant_bwd_f32)(float *dx, struct dsc_fake_quant_slope *sum, const float *dy,
                            const float *x, const float *noise, float scale,
                            const struct dsc_fake_quant *q, int64_t n)
{
    struct wide of_scale = wide_set(0.0f), of_offset = wide_set(0.0f);
    vf s = usable_scale(v_set(scale));

    for (int64_t block = 0; block < n; block += WIDE) {
        for (int p = 0; p < PARTS; p++) {
            int64_t i = block + p * LANES, left = n - i;
            struct lsq d;

            if (left <= 0)
                continue;
            d = lsq(v_get(dy + i, left, 0.0f), v_get(x + i, left, 0.0f), at(noise, i), s, q, left);
            if (left < LANES)
                d.dscale = v_keep(d.dscale, left);
            of_scale.part[p] = of_scale.part[p] + d.dscale;
            of_offset.part[p] = of_offset.part[p] + d.doffset; /* 0 where dy is */
            if (dx)
                v_put(dx + i, v_get(dx + i, left, 0.0f) + d.dx, left);
        }
    }
    *sum = (struct dsc_fake_quant_slope){wide_sum(of_scale), wide_sum(of_offset)};
}

void FN(fake_quant_cols_bwd_f32)(float *dx, float *dscale, const float *dy, const float *x,
                                 const float *noise, const float *scale,
                                 const struct dsc_fake_quant *q, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t left = n - i;
        vf s = usable_scale(v_get(scale + i, left, 1.0f));
        struct lsq d =
            lsq(v_get(dy + i, left, 0.0f), v_get(x + i, left, 0.0f), at(noise, i), s, q, left);

        if (dscale)
            v_put(dscale + i, v_get(dscale + i, left, 0.0f) + d.dscale, left);
        if (dx)
            v_put(dx + i, v_get(dx + i, left, 0.0f) + d.dx, left);
    }
}
