/*
 * The integer product against plain sums over the unpacked matrices, at every CPU level.
 */
#include "kernels/kernels.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { M_MAX = 21, N_MAX = 101, K_MAX = 70 };

static uint8_t a[M_MAX * K_MAX], b[K_MAX * N_MAX];
static int8_t packed[(K_MAX + 3) / 4 * 64 * ((N_MAX + 15) / 16)];
static int32_t col_sum[N_MAX], a_zero[M_MAX], b_zero[N_MAX];
static int32_t acc[M_MAX * N_MAX], expected[M_MAX * N_MAX];
static float y[M_MAX * N_MAX], a_scale[M_MAX], b_scale[N_MAX], bias[N_MAX];

/* Which of the product's choices a case takes. */
struct choice {
    bool a_is_signed, b_is_unsigned, has_b_zero, is_transposed, is_per_row;
};

static struct choice choice_of(int bits)
{
    return (struct choice){bits & 1, bits & 2, bits & 4, bits & 8, bits & 16};
}

static void fill(void)
{
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = (uint8_t)(i % 7 ? rand() : 255);
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(i % 5 ? rand() : 0x80);
    for (int i = 0; i < M_MAX; i++) {
        a_zero[i] = rand() % 256 - 128;
        a_scale[i] = (float)(rand() % 1000) * 1e-3f;
    }
    for (int j = 0; j < N_MAX; j++) {
        b_zero[j] = rand() % 256 - 128;
        b_scale[j] = (float)(rand() % 1000) * 1e-4f;
        bias[j] = (float)(rand() % 1000) - 500;
    }
}

/* Sums in 64 bits over the matrices as they were given. */
static void expect(const struct dsc_qgemm *q, struct choice c, int64_t k_step, int64_t n_step)
{
    for (int64_t i = 0; i < q->m; i++) {
        for (int64_t j = 0; j < q->n; j++) {
            int64_t sum = 0;

            for (int64_t p = 0; p < q->k; p++) {
                uint8_t u = a[i * q->a_step + p], v = b[p * k_step + j * n_step];
                int x = (c.a_is_signed ? (int8_t)u : u) - a_zero[c.is_per_row ? i : 0];
                int w = (c.b_is_unsigned ? v - 128 : (int8_t)v) -
                        (c.has_b_zero ? b_zero[c.is_per_row ? j : 0] : 0);

                sum += x * w;
            }
            expected[i * q->y_step + j] = (int32_t)sum;
        }
    }
}

/* Index of a result that is not the sum, scaled by single f32 operations; or -1. */
static int64_t first_wrong(int64_t m, int64_t n, struct choice c)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            float scale = a_scale[c.is_per_row ? i : 0] * b_scale[c.is_per_row ? j : 0];
            float want = (float)expected[i * n + j] * scale + (c.is_transposed ? 0 : bias[j]);

            if (y[i * n + j] != want)
                return i * n + j;
        }
    }
    return -1;
}

static void check_case(int64_t m, int64_t n, int64_t k, struct choice c)
{
    int64_t k_step = c.is_transposed ? 1 : n, n_step = c.is_transposed ? k : 1;
    struct dsc_qgemm q = {.m = m, .n = n, .k = k, .a = a, .a_step = k, .b = packed};

    q.a_is_signed = c.a_is_signed;
    q.col_sum = col_sum;
    q.a_zero = a_zero;
    q.b_zero = c.has_b_zero ? b_zero : NULL;
    q.a_scale = a_scale;
    q.b_scale = b_scale;
    q.a_zero_step = q.b_zero_step = q.a_scale_step = q.b_scale_step = c.is_per_row;
    q.bias = c.is_transposed ? NULL : bias;
    q.acc = acc;
    q.y = y;
    q.y_step = n;
    dsc_qgemm_pack(packed, col_sum, b, c.b_is_unsigned, k, n, k_step, n_step);
    expect(&q, c, k_step, n_step);
    for (int level = 0; level <= (int)dsc_cpu_level_best(); level++) {
        memset(acc, 0x5a, sizeof acc);
        dsc_kernels_for((enum dsc_cpu_level)level)->qgemm(&q);
        ck_assert_mem_eq(acc, expected, (size_t)(m * n) * sizeof acc[0]);
        ck_assert_int_eq(first_wrong(m, n, c), -1);
    }
}

START_TEST(integer_products_equal_plain_sums_at_every_level)
{
    static const int64_t ms[] = {1, 2, 3, 4, 7, 8, 9, M_MAX}, ns[] = {1, 15, 16, 17, 48, 49, N_MAX};
    static const int64_t ks[] = {1, 2, 3, 4, 5, 31, 32, K_MAX};
    int bits = 0;

    srand(1);
    fill();
    for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++)
        for (size_t j = 0; j < sizeof ns / sizeof ns[0]; j++)
            for (size_t p = 0; p < sizeof ks / sizeof ks[0]; p++)
                for (int part = 0; part < 4; part++)
                    check_case(ms[i], ns[j], ks[p], choice_of(bits++ % 32));
}
END_TEST

START_TEST(the_largest_sums_fit)
{
    static uint8_t x[DSC_QGEMM_K_MAX];
    static int8_t w[DSC_QGEMM_K_MAX], p[DSC_QGEMM_K_MAX * 16];
    const int32_t zero = 0;
    int32_t sum, t;
    struct dsc_qgemm q = {.m = 1, .n = 1, .k = DSC_QGEMM_K_MAX, .a = x, .b = p, .col_sum = &sum};

    memset(x, 255, sizeof x);
    memset(w, -128, sizeof w);
    q.a_zero = &zero;
    q.acc = &t;
    dsc_qgemm_pack(p, &sum, w, false, q.k, 1, 1, 1);
    for (int level = 0; level <= (int)dsc_cpu_level_best(); level++) {
        dsc_kernels_for((enum dsc_cpu_level)level)->qgemm(&q);
        ck_assert_int_eq(t, -255 * 128 * DSC_QGEMM_K_MAX);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("qgemm");
    TCase *t = tcase_create("products");
    SRunner *r;
    int n_failed;

    tcase_add_test(t, integer_products_equal_plain_sums_at_every_level);
    tcase_add_test(t, the_largest_sums_fit);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? 1 : 0;
}
