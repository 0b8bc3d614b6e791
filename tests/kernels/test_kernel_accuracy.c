/*
 * The reference kernels against libm in double: the largest error in units of the last place (of
 * f32, at the true value) over floats of every magnitude and both signs.
 */
#include "kernels/kernels.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A step over the 2^32 bit patterns; odd, so that low bits vary. */
enum { STRIDE = 2003, CHUNK = 1024 };

static double ulp(double truth)
{
    float a = fabsf((float)truth);

    if (isinf(a))
        a = 3.4028234e38f;
    return fmax((double)(nextafterf(a, INFINITY) - a), 0x1p-149);
}

static double error_in_ulp(float y, double truth)
{
    float rounded = (float)truth;

    if (isnan(rounded) || isnan(y))
        return isnan(rounded) && isnan(y) ? 0 : INFINITY;
    if (isinf(rounded) || isinf(y))
        return rounded == y                                                ? 0
               : fabsf(rounded) < 3.4028e38f || isinf(rounded) != isinf(y) ? 1e9
                                                                           : 1;
    return fabs((double)y - truth) / ulp(truth);
}

static double worst(const char *name, dsc_map_f32_fn *f, double (*truth)(double), float least,
                    float most)
{
    double max = 0;
    float at = 0, x[CHUNK], y[CHUNK];
    int n = 0;

    for (uint64_t bits = 0; bits < 1ull << 32; bits += STRIDE) {
        uint32_t b = (uint32_t)bits;

        memcpy(&x[n], &b, sizeof b);
        if (!(x[n] >= least && x[n] <= most) && !isnan(x[n]))
            continue;
        if (++n < CHUNK && bits + STRIDE < 1ull << 32)
            continue;
        f(y, x, n);
        for (int i = 0; i < n; i++) {
            double e = error_in_ulp(y[i], truth((double)x[i]));

            if (e > max) {
                max = e;
                at = x[i];
            }
        }
        n = 0;
    }
    printf("# %s: %.3f ulp at %a (%g)\n", name, max, (double)at, (double)at);
    return max;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double gelu(double x)
{
    return x * 0.5 * erfc(-x * 0.70710678118654752);
}
static double gelu_tanh(double x)
{
    return x / (1 + exp(-2 * 0.79788456080286536 * (x + 0.044715 * x * x * x)));
}

static const struct dsc_kernels *ref(void)
{
    return dsc_kernels_for(DSC_CPU_REF);
}

START_TEST(exp_is_within_2_ulp)
{
    ck_assert_double_le(worst("exp", ref()->exp_f32, exp, -INFINITY, INFINITY), 2);
}
END_TEST

START_TEST(log_is_within_2_ulp)
{
    ck_assert_double_le(worst("log", ref()->log_f32, log, -INFINITY, INFINITY), 2);
}
END_TEST

START_TEST(erf_is_within_4_ulp)
{
    ck_assert_double_le(worst("erf", ref()->erf_f32, erf, -INFINITY, INFINITY), 4);
}
END_TEST

START_TEST(tanh_is_within_3_ulp)
{
    ck_assert_double_le(worst("tanh", ref()->tanh_f32, tanh, -INFINITY, INFINITY), 3);
}
END_TEST

START_TEST(sigmoid_is_within_4_ulp)
{
    ck_assert_double_le(worst("sigmoid", ref()->sigmoid_f32, sigmoid, -87, INFINITY), 4);
}
END_TEST

START_TEST(gelu_is_within_4_ulp_above_minus_one)
{
    ck_assert_double_le(worst("gelu", ref()->gelu_f32, gelu, -1, 3e38f), 4);
    ck_assert_double_le(worst("gelu, tail", ref()->gelu_f32, gelu, -5, -1), 256);
}
END_TEST

START_TEST(gelu_tanh_is_within_8_ulp_above_minus_one)
{
    ck_assert_double_le(worst("gelu_tanh", ref()->gelu_tanh_f32, gelu_tanh, -1, 3e38f), 8);
    ck_assert_double_le(worst("gelu_tanh, tail", ref()->gelu_tanh_f32, gelu_tanh, -5, -1), 64);
}
END_TEST

/* Central differences of the double function, exact to about 1e-9. */
static double worst_slope(dsc_map_bwd_f32_fn *bwd, double (*f)(double))
{
    double max = 0;

    for (int i = -20000; i <= 20000; i++) {
        float x = (float)i * 1e-3f, dy = 1, dx = 0;
        double h = 1e-5, slope = (f((double)x + h) - f((double)x - h)) / (2 * h);

        bwd(&dx, &dy, &x, 1);
        max = fmax(max, fabs((double)dx - slope));
    }
    return max;
}

START_TEST(slopes_of_gelu_are_those_of_the_function)
{
    double a = worst_slope(ref()->gelu_bwd_f32, gelu);
    double b = worst_slope(ref()->gelu_tanh_bwd_f32, gelu_tanh);

    printf("# slopes: gelu %.2g, gelu_tanh %.2g\n", a, b);
    ck_assert_double_le(a, 5e-7);
    ck_assert_double_le(b, 5e-7);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kernel_accuracy");
    TCase *t = tcase_create("math");
    SRunner *r;
    int n_failed;

    tcase_add_test(t, exp_is_within_2_ulp);
    tcase_add_test(t, log_is_within_2_ulp);
    tcase_add_test(t, erf_is_within_4_ulp);
    tcase_add_test(t, tanh_is_within_3_ulp);
    tcase_add_test(t, sigmoid_is_within_4_ulp);
    tcase_add_test(t, gelu_is_within_4_ulp_above_minus_one);
    tcase_add_test(t, gelu_tanh_is_within_8_ulp_above_minus_one);
    tcase_add_test(t, slopes_of_gelu_are_those_of_the_function);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? 1 : 0;
}
