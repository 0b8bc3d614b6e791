/* Dense linear algebra across blocks, against the definitions in double. */
#include "dsc/linalg.h"
#include "kernels/blas/blas.h"
#include "quant_graphs.h"

static float *normals(const char *name, int64_t n)
{
    struct dsc_tensor t;
    float *v = malloc((size_t)n * sizeof *v);

    OK(dsc_tensor_new(&t, DSC_F32, 1, &n, &err));
    fill_normal(&t, name);
    memcpy(v, t.data, (size_t)n * sizeof *v);
    dsc_tensor_clear(&t);
    return v;
}

static const int64_t gram_sizes[] = {1, 33, 512, 700, 1030}; /* a block has 512 columns */

/* Two batches of tokens; the second adds to the first. */
START_TEST(a_gram_matrix_is_the_sum_over_all_batches)
{
    enum { TOKENS = 7, FIRST = 3 };
    const int64_t k = gram_sizes[_i];
    float *x = normals("x", TOKENS * k), *h = calloc((size_t)(k * k), sizeof *h);
    struct dsc_device *dev;

    OK(dsc_device_open(&dev, "cpu", 2, &err));
    OK(dsc_linalg_gram(dev, h, x, FIRST, k, &err));
    OK(dsc_linalg_gram(dev, h, x + FIRST * k, TOKENS - FIRST, k, &err));
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i; j < k; j++) {
            double sum = 0;

            for (int64_t t = 0; t < TOKENS; t++)
                sum += (double)x[t * k + i] * (double)x[t * k + j];
            ck_assert_msg(fabs((double)h[i * k + j] - sum) <= 1e-5, "[%d,%d]: %.9g, not %.9g",
                          (int)i, (int)j, (double)h[i * k + j], sum);
        }
    free(x);
    free(h);
    dsc_device_close(dev);
}
END_TEST

static const int64_t factor_sizes[] = {1, 127, 128, 300, 700}; /* blocks of 128, columns of 256 */

/* R^T R = a, for a = m m^T + k 1. */
START_TEST(a_factor_times_itself_is_the_matrix)
{
    const int64_t k = factor_sizes[_i];
    float *m = normals("m", k * k);
    double *a = malloc((size_t)(k * k) * sizeof *a), *want = malloc((size_t)(k * k) * sizeof *a);
    struct dsc_device *dev;
    int64_t bad;

    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i; j < k; j++) {
            double sum = i == j ? (double)k : 0;

            for (int64_t r = 0; r < k; r++)
                sum += (double)m[i * k + r] * (double)m[j * k + r];
            a[i * k + j] = want[i * k + j] = sum;
        }
    OK(dsc_device_open(&dev, "cpu", 2, &err));
    OK(dsc_linalg_cholesky(dev, a, k, &bad, &err));
    ck_assert_int_eq((int)bad, -1);
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i; j < k; j++) {
            double sum = 0;

            for (int64_t r = 0; r <= i; r++)
                sum += a[r * k + i] * a[r * k + j];
            ck_assert_msg(fabs(sum - want[i * k + j]) <= 1e-9 * want[i * k + i],
                          "[%d,%d]: %.12g, not %.12g", (int)i, (int)j, sum, want[i * k + j]);
        }
    free(m);
    free(a);
    free(want);
    dsc_device_close(dev);
}
END_TEST

START_TEST(the_row_at_which_a_factor_ends_is_told)
{
    enum { N = 300, BAD = 257 };
    double *a = calloc(N * N, sizeof *a);
    struct dsc_device *dev;
    int64_t bad;

    for (int i = 0; i < N; i++)
        a[i * N + i] = i == BAD ? 0 : 4;
    OK(dsc_device_open(&dev, "cpu", 2, &err));
    OK(dsc_linalg_cholesky(dev, a, N, &bad, &err));
    ck_assert_int_eq((int)bad, BAD);
    free(a);
    dsc_device_close(dev);
}
END_TEST

/* a V = V diag(value) of random symmetric matrices: by what is linked, and by the reference. */
static const int64_t eigen_sizes[] = {1, 2, 7, 60};

START_TEST(eigenvectors_are_those_of_the_largest_values)
{
    const int64_t k = eigen_sizes[_i], n = (k + 1) / 2;
    float *m = normals("symmetric", k * k);
    double *a = malloc((size_t)(k * k) * sizeof *a), *used = malloc((size_t)(k * k) * sizeof *a);
    double *v = malloc((size_t)(k * k) * sizeof *v), *value = malloc((size_t)k * sizeof *value);
    double *all = malloc((size_t)(k * k) * sizeof *v), last = INFINITY;
    struct dsc_device *dev;

    for (int64_t i = 0; i < k * k; i++)
        a[i] = (double)m[i < i % k * k + i / k ? i : i % k * k + i / k];
    OK(dsc_device_open(&dev, "cpu", 2, &err));
    memcpy(used, a, (size_t)(k * k) * sizeof *a);
    OK(dsc_linalg_eigen(dev, used, k, n, v, &err));
    memcpy(used, a, (size_t)(k * k) * sizeof *a);
    OK(dsc_eigen_ref(k, k, used, value, all, &err));
    for (int64_t c = 0; c < n; c++) {
        const double *x = v + c * k, *y = all + (k - 1 - c) * k, want = value[k - 1 - c];
        double dot = 0;

        ck_assert(want <= last);
        last = want;
        for (int64_t i = 0; i < k; i++) {
            double sum = 0;

            for (int64_t j = 0; j < k; j++)
                sum += a[i * k + j] * x[j];
            ck_assert_double_eq_tol(sum, want * x[i], 1e-11 * (double)k);
            dot += x[i] * y[i];
        }
        ck_assert_double_eq_tol(fabs(dot), 1, 1e-9);
    }
    free(m);
    free(a);
    free(used);
    free(v);
    free(value);
    free(all);
    dsc_device_close(dev);
}
END_TEST

START_TEST(what_is_not_finite_has_no_eigenvectors)
{
    double a[4] = {1, NAN, 0, 1}, v[4];
    struct dsc_device *dev;
    struct dsc_err err = {0};

    OK(dsc_device_open(&dev, "cpu", 1, &err));
    ck_assert_int_eq(dsc_linalg_eigen(dev, a, 2, 1, v, &err), DSC_E_NONFINITE);
    dsc_device_close(dev);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("linalg");
    TCase *t = tcase_create("linalg");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, a_gram_matrix_is_the_sum_over_all_batches, 0,
                        (int)(sizeof gram_sizes / sizeof gram_sizes[0]));
    tcase_add_loop_test(t, a_factor_times_itself_is_the_matrix, 0,
                        (int)(sizeof factor_sizes / sizeof factor_sizes[0]));
    tcase_add_loop_test(t, eigenvectors_are_those_of_the_largest_values, 0,
                        (int)(sizeof eigen_sizes / sizeof eigen_sizes[0]));
    tcase_add_test(t, what_is_not_finite_has_no_eigenvectors);
    tcase_add_test(t, the_row_at_which_a_factor_ends_is_told);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
