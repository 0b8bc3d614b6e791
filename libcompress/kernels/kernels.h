/*
 * Kernels: the inner loops, on pointers and sizes only. They know nothing of tensors, allocate
 * nothing, cannot fail, and run on the calling thread.
 *
 * A table of function pointers is chosen once by CPU level (`--cpu`); a device keeps it. Every
 * level gives the same bits, so a level is a matter of speed. Outputs may be the same array as an
 * input of the same shape, but must not overlap one otherwise. n >= 0 counts elements; pointers
 * need the alignment of their type only.
 */
#ifndef DSC_KERNELS_H
#define DSC_KERNELS_H

#include "dsc/checked.h"
#include "dsc/machine.h"

#include <stdbool.h>
#include <stdint.h>

/** y = f(x) of each element, or of the row as a whole (softmax). */
typedef void dsc_map_f32_fn(float *y, const float *x, int64_t n);
/** dx += dy * f'(x) */
typedef void dsc_map_bwd_f32_fn(float *dx, const float *dy, const float *x, int64_t n);
/** y[i] = x[i * step], step >= 1 */
typedef void dsc_take_f32_fn(float *y, const float *x, int64_t step, int64_t n);
/** y = a op b; mul_add: y += a * b; larger: the one, NaN if one is */
typedef void dsc_pair_f32_fn(float *y, const float *a, const float *b, int64_t n);
/** axpy: y += alpha * x; scale: y = alpha * x */
typedef void dsc_axpy_f32_fn(float *y, float alpha, const float *x, int64_t n);
/** y [n_rows, n] = x + bias [n] */
typedef void dsc_bias_add_f32_fn(float *y, const float *x, const float *bias, int64_t n_rows,
                                 int64_t n);

/** Of n elements; max and min of none are -inf and inf, and NaN if an element is. */
typedef float dsc_fold_f32_fn(const float *x, int64_t n);
typedef float dsc_dot_f32_fn(const float *a, const float *b, int64_t n);
/** y [n] += sum over rows r, in order, of x[r * row_step + ..] */
typedef void dsc_col_sum_f32_fn(float *y, const float *x, int64_t n_rows, int64_t n,
                                int64_t row_step);

/** One row: its mean and 1 / sqrt(variance + epsilon). n > 0 */
typedef void dsc_row_stats_f32_fn(float *mean, float *rstd, const float *x, float epsilon,
                                  int64_t n);
/** One row: y = (x - mean) * rstd * gain + bias; bias may be NULL. n > 0 */
typedef void dsc_layer_norm_f32_fn(float *y, float *mean, float *rstd, const float *x,
                                   const float *gain, const float *bias, float epsilon, int64_t n);
/** One row: adds to dx. */
typedef void dsc_layer_norm_bwd_f32_fn(float *dx, const float *dy, const float *x,
                                       const float *gain, float mean, float rstd, int64_t n);
/** Adds to dgain [n] and dbias [n] over rows r, in order; mean, rstd [n_rows]. */
typedef void dsc_layer_norm_gain_f32_fn(float *dgain, float *dbias, const float *dy, const float *x,
                                        const float *mean, const float *rstd, int64_t n_rows,
                                        int64_t n, int64_t row_step);

/**
 * Inverted dropout of elements first, first + 1, .. of one example: word e % 4 of the Philox block
 * (counter e / 4, example) under `key` decides; the element is kept where it is >= threshold.
 * y = kept ? x * scale : 0, or y += that. mask may be NULL.
 */
struct dsc_dropout {
    uint32_t key[2];
    uint64_t example;
    uint32_t threshold;
    float scale;
    bool is_adding;
};
typedef void dsc_dropout_f32_fn(float *y, bool *mask, const float *x, const struct dsc_dropout *p,
                                int64_t first, int64_t n);

/** Uniform in [0, 1), 24 bits, for elements first, first + 1, .. of an example; as dropout draws.
 */
struct dsc_uniform {
    uint32_t key[2];
    uint64_t example;
};
typedef void dsc_uniform_f32_fn(float *y, const struct dsc_uniform *p, int64_t first, int64_t n);

/**
 * AdamW with decoupled decay (Loshchilov & Hutter 2019, arXiv:1711.05101) on grad_scale * g;
 * correctionK = 1 - betaK^t at step t = 1, 2, ..
 */
struct dsc_adamw_step {
    float learning_rate, beta1, beta2, epsilon, decay, correction1, correction2, grad_scale;
};
typedef void dsc_adamw_f32_fn(float *w, float *m, float *v, const float *g,
                              const struct dsc_adamw_step *s, int64_t n);

/** velocity = momentum * velocity + (grad_scale * g + decay * w); w -= learning_rate * velocity */
struct dsc_sgd_step {
    float learning_rate, momentum, decay, grad_scale;
    bool is_nesterov;
};
typedef void dsc_sgd_f32_fn(float *w, float *velocity, const float *g, const struct dsc_sgd_step *s,
                            int64_t n);

/** ONNX QuantizeLinear: y = saturate(round_half_even(x / scale) + zero). NaN gives the lowest. */
typedef void dsc_quantize_u8_f32_fn(uint8_t *y, const float *x, float scale, int32_t zero,
                                    int64_t n);
typedef void dsc_quantize_s8_f32_fn(int8_t *y, const float *x, float scale, int32_t zero,
                                    int64_t n);
typedef void dsc_quantize_u16_f32_fn(uint16_t *y, const float *x, float scale, int32_t zero,
                                     int64_t n);
typedef void dsc_quantize_s16_f32_fn(int16_t *y, const float *x, float scale, int32_t zero,
                                     int64_t n);
/** y = (x - zero) * scale */
typedef void dsc_dequantize_u8_f32_fn(float *y, const uint8_t *x, float scale, int32_t zero,
                                      int64_t n);
typedef void dsc_dequantize_s8_f32_fn(float *y, const int8_t *x, float scale, int32_t zero,
                                      int64_t n);

/** The same with one scale, and one zero point (NULL: 0), for each element. */
typedef void dsc_dequantize_cols_u8_f32_fn(float *y, const uint8_t *x, const float *scale,
                                           const uint8_t *zero, int64_t n);
typedef void dsc_dequantize_cols_s8_f32_fn(float *y, const int8_t *x, const float *scale,
                                           const int8_t *zero, int64_t n);

/** Least and largest element; inf, -inf for none; both NaN if an element is. */
typedef void dsc_range_f32_fn(float *low, float *high, const float *x, int64_t n);

/**
 * count[b - first_bin] += 1 for b = floor(x * inv_width); returns how many fell outside the bins
 * (NaN too). inv_width is a power of two; |first_bin| and n_bins are at most 2^23.
 */
typedef int64_t dsc_histogram_f32_fn(uint64_t *count, int32_t first_bin, int32_t n_bins,
                                     float inv_width, const float *x, int64_t n);

/** Codes low .. high, whole numbers, of a scale. */
struct dsc_code_grid {
    float scale, inverse; /* 1 / scale */
    float low, high;
};
/** sum of c (v - scale code)^2, code = round(v * inverse) held in low .. high; c NULL: all 1. */
typedef float dsc_code_error_f32_fn(const float *v, const float *c,
                                    const struct dsc_code_grid *grid, int64_t n);
/**
 * Simulated quantization: code = clamp(round(x / scale) + zero, low, high), all whole numbers;
 * y = (code - zero) * scale. `cols` takes a scale per element. A scale below
 * DSC_FAKE_QUANT_MIN_SCALE, or NaN, counts as that: a learned scale can pass 0. NaN in x stays NaN.
 * noise [n] in [0, 1) rounds v up where it is less than v - floor(v); NULL: to the nearest, half to
 * even. Backward (Esser 2020, arXiv:1902.08153, LSQ): dx += dy strictly inside; the gradient of the
 * scale goes to *sum, or is added to dscale [n]; `inside` is a factor of its part from between the
 * limits. That of the offset (Bhalgat 2020, arXiv:2004.09576) is dy from the limits on. dx and
 * dscale may be NULL.
 */
#define DSC_FAKE_QUANT_MIN_SCALE 0x1p-40f
struct dsc_fake_quant {
    float zero, low, high;
    float inside;
    float still; /* the code whose value the scale does not move: zero, or with an offset 0 */
};
struct dsc_fake_quant_slope {
    float scale, offset;
};
typedef void dsc_fake_quant_f32_fn(float *y, const float *x, const float *noise, float scale,
                                   const struct dsc_fake_quant *q, int64_t n);
typedef void dsc_fake_quant_cols_f32_fn(float *y, const float *x, const float *noise,
                                        const float *scale, const struct dsc_fake_quant *q,
                                        int64_t n);
typedef void dsc_fake_quant_bwd_f32_fn(float *dx, struct dsc_fake_quant_slope *sum, const float *dy,
                                       const float *x, const float *noise, float scale,
                                       const struct dsc_fake_quant *q, int64_t n);
typedef void dsc_fake_quant_cols_bwd_f32_fn(float *dx, float *dscale, const float *dy,
                                            const float *x, const float *noise, const float *scale,
                                            const struct dsc_fake_quant *q, int64_t n);

/**
 * Integer product of activations A [m,k] (u8 or s8) and packed weights B [k,n] (s8):
 *
 *   t[i,j] = sum over p of (A[i,p] - a_zero[i]) * (B[p,j] - b_zero[j])      exact, in s32
 *   acc    = t                                                 where acc is given
 *   y      = (float)t * (a_scale[i] * b_scale[j]) + bias[j]    where y is given
 *
 * b, col_sum      from dsc_qgemm_pack; columns from j on start at panel j / 16, a whole number
 * a_step, y_step  elements between rows of A; of acc and y
 * *_step of zeros and scales: 1 for one per row (column), 0 for one in all
 * b_zero, bias    may be NULL: 0
 * k               at most DSC_QGEMM_K_MAX, so that no sum leaves s32
 */
struct dsc_qgemm {
    int64_t m, n, k;
    const void *a;
    int64_t a_step;
    bool a_is_signed;
    const int8_t *b;
    const int32_t *col_sum;
    const int32_t *a_zero, *b_zero;
    int64_t a_zero_step, b_zero_step;
    const float *a_scale, *b_scale;
    int64_t a_scale_step, b_scale_step;
    const float *bias;
    int32_t *acc;
    float *y;
    int64_t y_step;
};
typedef void dsc_qgemm_fn(const struct dsc_qgemm *q);

/**
 * A row of a product of 16-bit activations, whose bytes were multiplied apart: with sums of their
 * upper bytes in `high` and of their lower ones in `low`,
 *
 *   t[j] = 256 high[j] + low[j] - zero * col_sum[j]     exact
 *   y[j] = (float)t[j] * (a_scale * b_scale[j]) + bias[j]
 *
 * b_scale_step: 1 for one per column, 0 for one in all; bias may be NULL. |zero| <= 65535.
 */
struct dsc_split_sums {
    const int32_t *high, *low, *col_sum;
    int32_t zero;
    float a_scale;
    const float *b_scale;
    int64_t b_scale_step;
    const float *bias;
};
typedef void dsc_join_sums_fn(float *y, const struct dsc_split_sums *s, int64_t n);

enum {
    DSC_QGEMM_PANEL = 16, /* columns that are packed together */
    DSC_QGEMM_K_MAX = 32768
};

/** Bytes of one panel of packed B. */
static inline int64_t dsc_qgemm_panel_bytes(int64_t k)
{
    return (k + 3) / 4 * 4 * DSC_QGEMM_PANEL;
}

/** Bytes of packed B, if they fit (see dsc/checked.h). */
static inline bool dsc_qgemm_packed_bytes(int64_t k, int64_t n, size_t *n_bytes)
{
    return k >= 0 && n >= 0 && k <= INT64_MAX - 3 && n <= INT64_MAX - 15 &&
           dsc_mul_size((size_t)((k + 3) / 4) * 64, (size_t)((n + 15) / 16), n_bytes);
}

/**
 * Pack B, whose element [p,j] is at b[p * k_step + j * n_step], and sum its columns. Unsigned
 * elements are stored 128 lower: lower their zero point too. One layout serves every CPU level.
 */
void dsc_qgemm_pack(int8_t *packed, int32_t *col_sum, const void *b, bool is_unsigned, int64_t k,
                    int64_t n, int64_t k_step, int64_t n_step);

/**
 * y [m,n] = alpha * (A B) + bias, with A [m,k] and B in panels of 16 columns: element [p,j] is at
 * b[j / 16 * b_panel_step + p * b_step + j % 16], with b_at [k] at b_at[p] in place of p * b_step,
 * and whole panels can be read. Each sum is one
 * chain of fused multiply-adds in the order of p, from 0 on or, `is_adding`, from what y holds, so
 * that every level gives equal bits.
 *
 * a_step, y_step  elements between rows
 * bias            [n], may be NULL
 */
struct dsc_sgemm_packed {
    int64_t m, n, k;
    const float *a;
    int64_t a_step;
    const float *b;
    int64_t b_step, b_panel_step;
    const int64_t *b_at; /* or NULL */
    float alpha;
    bool is_adding;
    const float *bias;
    float *y;
    int64_t y_step;
};
typedef void dsc_sgemm_packed_fn(const struct dsc_sgemm_packed *q);

enum { DSC_SGEMM_PANEL = 16 };

/** Elements of packed B, if they fit: panels one after the other, padded with 0. */
static inline bool dsc_sgemm_packed_elems(int64_t k, int64_t n, size_t *n_elems)
{
    return k >= 0 && n >= 0 && n <= INT64_MAX - 15 &&
           dsc_mul_size((size_t)k * DSC_SGEMM_PANEL, (size_t)((n + 15) / 16), n_elems) &&
           *n_elems <= INT64_MAX / sizeof(float) && (size_t)k <= SIZE_MAX / DSC_SGEMM_PANEL;
}

/** Pack B, whose element [p,j] is at b[p * k_step + j * n_step]: b_step 16, panels of 16 k. */
void dsc_sgemm_pack(float *packed, const float *b, int64_t k, int64_t n, int64_t k_step,
                    int64_t n_step);

/**
 * Rows of a panel of 16 columns in codes, as the f32 that they stand for:
 *
 *   y [n_rows,16] = (float)(code - zero[j]) * scale[j]
 *
 * The difference is exact and the product rounds once, as DequantizeLinear does. `words` is what
 * dsc_codes_pack made of these rows, from a word on; zero and scale hold 16 each.
 */
typedef void dsc_expand_codes_f32_fn(float *y, const uint32_t *words, int bits, const float *scale,
                                     const uint8_t *zero, int64_t n_rows);

/**
 * How codes of 4 or 8 bits of a matrix [k,n] are packed: panels of 16 columns, in a panel one group
 * of `group` rows after the other (the last may be shorter), of a group 16 words for each 32 / bits
 * rows. A word holds codes of one column, the first in its lowest bits; behind a group's last row
 * it is 0. bits: 4 or 8; k, n, group: at least 1.
 */
struct dsc_code_layout {
    int bits;
    int64_t k, n, group;
};

static inline int64_t dsc_codes_n_groups(const struct dsc_code_layout *l)
{
    return l->k / l->group + (l->k % l->group != 0);
}

/** Words of `n_rows` rows of a group, in a panel. */
static inline int64_t dsc_codes_n_words(int bits, int64_t n_rows)
{
    const int64_t per_word = 32 / bits;

    return (n_rows / per_word + (n_rows % per_word != 0)) * DSC_SGEMM_PANEL;
}

/** Words of one panel. */
static inline int64_t dsc_codes_panel_words(const struct dsc_code_layout *l)
{
    return l->k / l->group * dsc_codes_n_words(l->bits, l->group) +
           dsc_codes_n_words(l->bits, l->k % l->group);
}

/** Words of a matrix and its scales (and zero points): both, if they fit. k, n, group < 2^31. */
static inline bool dsc_codes_packed_elems(const struct dsc_code_layout *l, size_t *n_words,
                                          size_t *n_scales)
{
    const size_t n_panels = (size_t)(l->n + DSC_SGEMM_PANEL - 1) / DSC_SGEMM_PANEL;

    return dsc_mul_size((size_t)dsc_codes_panel_words(l), n_panels, n_words) &&
           dsc_mul_size((size_t)dsc_codes_n_groups(l) * DSC_SGEMM_PANEL, n_panels, n_scales) &&
           *n_words <= INT64_MAX / sizeof(uint32_t) && *n_scales <= INT64_MAX / sizeof(float);
}

/**
 * Pack codes, of which [p,j] is number p * k_step + j * n_step of `b` (of two 4-bit codes in a byte
 * the first is the low half). Signed codes are stored 8 or 128 higher: raise their zero points too.
 */
void dsc_codes_pack(uint32_t *words, const struct dsc_code_layout *l, const void *b, bool is_signed,
                    int64_t k_step, int64_t n_step);

/** The chosen kernels, one per slot of kernels.def. */
struct dsc_kernels {
    enum dsc_cpu_level level;
#define DSC_SLOT(slot, type) type *slot;
#define DSC_KERNEL(slot, variant, need)
#include "kernels/kernels.def"
#undef DSC_SLOT
#undef DSC_KERNEL
};

/* Every implementation by name, for the tables and for tests: dsc_<slot>_<variant>. */
#define DSC_SLOT(slot, type) typedef type dsc_##slot##_slot_fn;
#define DSC_KERNEL(slot, variant, need) dsc_##slot##_slot_fn dsc_##slot##_##variant;
#include "kernels/kernels.def"
#undef DSC_SLOT
#undef DSC_KERNEL

/**
 * The table of a level, lowered to what this machine supports. Also holds BLAS to one thread:
 * threads are ours (dsc/pool.h).
 */
const struct dsc_kernels *dsc_kernels_for(enum dsc_cpu_level level);

#endif
