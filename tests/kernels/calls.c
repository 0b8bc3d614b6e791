/*
 * How each type of kernel is called, and the rows of kernels.def as data.
 */
#include "calls.h"

#include <stddef.h>

static const struct dsc_fake_quant fake = {
    .zero = 3, .low = 0, .high = 255, .inside = 0.5f, .still = 2};
static const struct dsc_adamw_step adamw = {1e-3f, 0.9f,   0.999f, 1e-8f,
                                            0.01f, 0.271f, 0.003f, 0.7f};
static const struct dsc_sgd_step sgd = {0.1f, 0.9f, 1e-4f, 0.7f, true};

#define CALL(type) static void call_##type(any_kernel *kernel, struct job *j)
#define AS(type) ((type *)kernel)

CALL(dsc_map_f32_fn)
{
    AS(dsc_map_f32_fn)(j->out[0], j->in[0], j->n);
}
CALL(dsc_map_bwd_f32_fn)
{
    AS(dsc_map_bwd_f32_fn)(j->out[0], j->in[0], j->in[1], j->n);
}
CALL(dsc_pair_f32_fn)
{
    AS(dsc_pair_f32_fn)(j->out[0], j->in[0], j->in[1], j->n);
}
CALL(dsc_take_f32_fn)
{
    const int64_t step = 1 + j->n % 4;

    AS(dsc_take_f32_fn)(j->out[0], j->in[0], step, (j->n + step - 1) / step);
}
CALL(dsc_axpy_f32_fn)
{
    AS(dsc_axpy_f32_fn)(j->out[0], 1.7f, j->in[0], j->n);
}
CALL(dsc_bias_add_f32_fn)
{
    AS(dsc_bias_add_f32_fn)(j->out[0], j->in[0], j->in[1], 3, j->n / 3);
}
CALL(dsc_fold_f32_fn)
{
    j->result[0] = AS(dsc_fold_f32_fn)(j->in[0], j->n);
}
CALL(dsc_dot_f32_fn)
{
    j->result[0] = AS(dsc_dot_f32_fn)(j->in[0], j->in[1], j->n);
}
CALL(dsc_col_sum_f32_fn)
{
    AS(dsc_col_sum_f32_fn)(j->out[0], j->in[0], 3, j->n / 3, j->n / 3);
}
CALL(dsc_layer_norm_f32_fn)
{
    AS(dsc_layer_norm_f32_fn)
    (j->out[0], &j->result[0], &j->result[1], j->in[0], j->in[1], j->n % 2 ? j->in[2] : NULL,
     1e-12f, j->n);
}
CALL(dsc_row_stats_f32_fn)
{
    AS(dsc_row_stats_f32_fn)(&j->result[0], &j->result[1], j->in[0], 1e-5f, j->n);
}
CALL(dsc_layer_norm_bwd_f32_fn)
{
    AS(dsc_layer_norm_bwd_f32_fn)(j->out[0], j->in[0], j->in[1], j->in[2], 0.1f, 1.3f, j->n);
}
CALL(dsc_layer_norm_gain_f32_fn)
{
    if (j->n >= 3)
        AS(dsc_layer_norm_gain_f32_fn)
    (j->out[0], j->out[1], j->in[0], j->in[1], j->in[2], j->in[3], 3, j->n / 3, j->n / 3);
}
/* The mask's n bytes stand in out[1]. */
CALL(dsc_dropout_f32_fn)
{
    const struct dsc_dropout p = {{1, 2}, 7 + (1ull << 40), 0x33333333, 1.25f, j->n % 2};

    AS(dsc_dropout_f32_fn)
    (j->out[0], j->n % 3 ? (bool *)j->out[1] : NULL, j->in[0], &p, j->n % 7 + (15ll << 32), j->n);
}
CALL(dsc_adamw_f32_fn)
{
    AS(dsc_adamw_f32_fn)(j->out[0], j->out[1], j->out[2], j->in[0], &adamw, j->n);
}
CALL(dsc_sgd_f32_fn)
{
    struct dsc_sgd_step s = sgd;

    s.is_nesterov = j->n % 2;
    AS(dsc_sgd_f32_fn)(j->out[0], j->out[1], j->in[0], &s, j->n);
}
CALL(dsc_quantize_u8_f32_fn)
{
    j->is_integer = true;
    AS(dsc_quantize_u8_f32_fn)((uint8_t *)(void *)j->out[0], j->in[0], 0.03f, 117, j->n);
}
CALL(dsc_quantize_s8_f32_fn)
{
    j->is_integer = true;
    AS(dsc_quantize_s8_f32_fn)((int8_t *)(void *)j->out[0], j->in[0], 0.03f, -5, j->n);
}
CALL(dsc_quantize_u16_f32_fn)
{
    j->is_integer = true;
    AS(dsc_quantize_u16_f32_fn)((uint16_t *)(void *)j->out[0], j->in[0], 2e-4f, 31117, j->n);
}
CALL(dsc_quantize_s16_f32_fn)
{
    j->is_integer = true;
    AS(dsc_quantize_s16_f32_fn)((int16_t *)(void *)j->out[0], j->in[0], 2e-4f, -5, j->n);
}
/* Sums of any bits, within what a product can reach. */
CALL(dsc_join_sums_fn)
{
    const int32_t *sums = (const int32_t *)(const void *)j->in[0];
    static int32_t part[3][1 << 14];
    const int64_t n = j->n < 1 << 14 ? j->n : 1 << 14;
    const struct dsc_split_sums s = {.high = part[0],
                                     .low = part[1],
                                     .col_sum = part[2],
                                     .zero = 32768 - (int32_t)(j->n % 5),
                                     .a_scale = 0.37f,
                                     .b_scale = j->in[1],
                                     .b_scale_step = j->n % 3 > 0,
                                     .bias = j->n % 2 ? j->in[2] : NULL};

    for (int64_t i = 0; i < n; i++) {
        part[0][i] = sums[i] / 2;
        part[1][i] = sums[n - 1 - i] / 2;
        part[2][i] = sums[i] >> 9;
    }
    AS(dsc_join_sums_fn)(j->out[0], &s, n);
}
/* The last n bytes of the input, so that reading on would leave the buffer. */
CALL(dsc_dequantize_u8_f32_fn)
{
    const uint8_t *x = (const uint8_t *)(const void *)(j->in[0] + j->n) - j->n;

    AS(dsc_dequantize_u8_f32_fn)(j->out[0], x, 0.03f, 117, j->n);
}
CALL(dsc_dequantize_s8_f32_fn)
{
    const int8_t *x = (const int8_t *)(const void *)(j->in[0] + j->n) - j->n;

    AS(dsc_dequantize_s8_f32_fn)(j->out[0], x, 0.03f, -5, j->n);
}
CALL(dsc_dequantize_cols_u8_f32_fn)
{
    const uint8_t *x = (const uint8_t *)(const void *)(j->in[0] + j->n) - j->n;

    AS(dsc_dequantize_cols_u8_f32_fn)(j->out[0], x, j->in[1], NULL, j->n);
}
CALL(dsc_dequantize_cols_s8_f32_fn)
{
    const int8_t *x = (const int8_t *)(const void *)(j->in[0] + j->n) - j->n;
    const int8_t *zero = (const int8_t *)(const void *)(j->in[2] + j->n) - j->n;

    AS(dsc_dequantize_cols_s8_f32_fn)(j->out[0], x, j->in[1], zero, j->n);
}
CALL(dsc_range_f32_fn)
{
    AS(dsc_range_f32_fn)(&j->result[0], &j->result[1], j->in[0], j->n);
}
CALL(dsc_histogram_f32_fn)
{
    static uint64_t count[64]; /* carries over: only differences of the two runs are looked at */
    uint64_t before[64];

    for (int b = 0; b < 64; b++)
        before[b] = count[b];
    j->result[0] = (float)AS(dsc_histogram_f32_fn)(count, -20, 64, 8.0f, j->in[0], j->n);
    for (int b = 0; b < 64 && b < j->n; b++)
        j->out[0][b] = (float)(count[b] - before[b]);
    for (int b = 0; b < 64; b++)
        j->result[1] += (float)(b + 1) * (float)(count[b] - before[b]);
}
/* Rounding that is drawn, and that is not. */
static const float *noise(const struct job *j)
{
    return j->n % 2 ? j->in[2] : NULL;
}
CALL(dsc_uniform_f32_fn)
{
    const struct dsc_uniform p = {.key = {0x1234567, 0x89ABCDEF}, .example = 0x500000007};

    AS(dsc_uniform_f32_fn)(j->out[0], &p, 13, j->n);
}
CALL(dsc_code_error_f32_fn)
{
    const struct dsc_code_grid grid = {0.03f, 1 / 0.03f, -7, 8};

    j->result[0] = AS(dsc_code_error_f32_fn)(j->in[0], NULL, &grid, j->n);
    j->result[1] = AS(dsc_code_error_f32_fn)(j->in[0], j->in[3], &grid, j->n);
}
CALL(dsc_fake_quant_f32_fn)
{
    AS(dsc_fake_quant_f32_fn)(j->out[0], j->in[0], noise(j), 0.03f, &fake, j->n);
}
CALL(dsc_fake_quant_cols_f32_fn)
{
    AS(dsc_fake_quant_cols_f32_fn)(j->out[0], j->in[0], noise(j), j->in[3], &fake, j->n);
}
CALL(dsc_fake_quant_bwd_f32_fn)
{
    struct dsc_fake_quant_slope d;

    AS(dsc_fake_quant_bwd_f32_fn)(j->out[0], &d, j->in[0], j->in[1], noise(j), 0.03f, &fake, j->n);
    j->result[0] = d.scale;
    j->result[1] = d.offset;
}
CALL(dsc_fake_quant_cols_bwd_f32_fn)
{
    AS(dsc_fake_quant_cols_bwd_f32_fn)
    (j->out[0], j->out[1], j->in[0], j->in[1], noise(j), j->in[3], &fake, j->n);
}

/*
 * Sizes from n, the largest that the buffers hold; A ends where its buffer ends. out[0] has the
 * sums, out[1] the scaled results.
 */
CALL(dsc_qgemm_fn)
{
    static int8_t packed[1 << 15];
    static int32_t col_sum[256];
    const int32_t zero[] = {-7, 11};
    struct dsc_qgemm q = {.k = 1 + j->n % 61, .m = 1 + j->n % 19, .n = 1 + j->n % 113};

    if (j->n < 128)
        return;
    q.n = q.n < j->n / q.m ? q.n : j->n / q.m;
    q.n = q.n < 4 * j->n / q.k ? q.n : 4 * j->n / q.k;
    q.a = (const char *)(j->in[0] + j->n) - q.m * q.k;
    q.a_step = q.k;
    q.a_is_signed = j->n % 2;
    q.b = packed;
    q.col_sum = col_sum;
    q.a_zero = &zero[0];
    q.b_zero = j->n % 3 ? &zero[1] : NULL;
    q.a_scale = j->in[2];
    q.b_scale = j->in[3];
    q.a_scale_step = q.b_scale_step = 1;
    q.bias = j->n % 5 ? j->in[2] : NULL;
    q.acc = (int32_t *)(void *)j->out[0];
    q.y = j->out[1];
    q.y_step = q.n;
    j->is_integer = true;
    dsc_qgemm_pack(packed, col_sum, j->in[1], false, q.k, q.n, q.n, 1);
    AS(dsc_qgemm_fn)(&q);
}

CALL(dsc_sgemm_packed_fn)
{
    static float packed[1 << 15];
    static int64_t at[61];
    struct dsc_sgemm_packed q = {.k = 1 + j->n % 61, .m = 1 + j->n % 19, .n = 1 + j->n % 113};

    if (j->n < 128)
        return;
    q.n = q.n < j->n / q.m ? q.n : j->n / q.m;
    q.k = q.k < j->n / q.m ? q.k : j->n / q.m;
    q.n = q.n < j->n / q.k ? q.n : j->n / q.k;
    q.a = j->in[0] + j->n - q.m * q.k;
    q.a_step = q.k;
    q.b = packed;
    q.b_step = DSC_SGEMM_PANEL;
    q.b_panel_step = q.k * DSC_SGEMM_PANEL;
    q.alpha = j->n % 2 ? 1.0f : 0.375f;
    q.bias = j->n % 5 ? j->in[2] : NULL;
    q.is_adding = j->n % 7 > 3;
    q.y = j->out[0];
    q.y_step = q.n;
    if (j->n % 3)
        dsc_sgemm_pack(packed, j->in[1], q.k, q.n, q.n, 1);
    else
        dsc_sgemm_pack(packed, j->in[1], q.k, q.n, 1, q.k);
    for (int64_t p = 0; p < q.k; p++) /* rows anywhere, one over another */
        at[p] = (p * 37 + j->n) % 64;
    if (j->n % 11 > 5) {
        q.b_at = at;
        q.b_panel_step = DSC_SGEMM_PANEL;
    }
    AS(dsc_sgemm_packed_fn)(&q);
}

/* n elements are rows of 16; any bits are codes. */
CALL(dsc_expand_codes_f32_fn)
{
    const int64_t n_rows = j->n / DSC_SGEMM_PANEL;
    static uint8_t zero[DSC_SGEMM_PANEL];

    if (n_rows == 0)
        return;
    for (int i = 0; i < DSC_SGEMM_PANEL; i++)
        zero[i] = (uint8_t)(j->n * 31 + i * 17);
    AS(dsc_expand_codes_f32_fn)
    (j->out[0], (const uint32_t *)(const void *)j->in[0], j->n % 2 ? 4 : 8, j->in[1], zero, n_rows);
}

/* A slot's call, found by a wrapper because its row of the table does not repeat the type. */
#define DSC_SLOT(slot, type)                                      \
    static void call_of_##slot(any_kernel *kernel, struct job *j) \
    {                                                             \
        call_##type(kernel, j);                                   \
    }
#define DSC_KERNEL(slot, variant, need)
#include "kernels/kernels.def"
#undef DSC_SLOT
#undef DSC_KERNEL

#define ROW(slot, variant, need)           \
    {#slot,                                \
     #variant,                             \
     need,                                 \
     (any_kernel *)dsc_##slot##_ref,       \
     (any_kernel *)dsc_##slot##_##variant, \
     call_of_##slot},
#define FROM_DSC_CPU_REF ROW
#if defined(__x86_64__)
#define FROM_DSC_CPU_AVX2 ROW
#define FROM_DSC_CPU_AVX512 ROW
#define FROM_DSC_CPU_VNNI ROW
#else /* such functions do not exist */
#define FROM_DSC_CPU_AVX2(slot, variant, need)
#define FROM_DSC_CPU_AVX512(slot, variant, need)
#define FROM_DSC_CPU_VNNI(slot, variant, need)
#endif
#define DSC_SLOT(slot, type)
#define DSC_KERNEL(slot, variant, need) FROM_##need(slot, variant, need)

const struct kernel_row kernel_rows[] = {
#include "kernels/kernels.def"
};
const int n_kernel_rows = (int)(sizeof kernel_rows / sizeof kernel_rows[0]);
