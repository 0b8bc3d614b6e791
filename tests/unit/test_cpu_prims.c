/*
 * The cpu's F32 primitives, which run kernels, against their F64 twins, which do not; and the same
 * bytes at every CPU level and number of threads.
 */
#include "device/prim.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_MAX = 40000 };

static double value(int64_t i)
{
    return (double)(i * 7919 % 10007) / 1000 - 5;
}

static void tensor(struct dsc_device *d, struct dsc_tensor *t, enum dsc_dtype dtype, int64_t n,
                   double scale, double shift)
{
    ck_assert_int_eq(dsc_device_tensor(d, t, dtype, 1, &n, NULL), DSC_OK);
    for (int64_t i = 0; i < n; i++) {
        if (dtype == DSC_F32)
            ((float *)t->data)[i] = (float)(value(i) * scale + shift);
        else /* the same number */
            ((double *)t->data)[i] = (double)(float)(value(i) * scale + shift);
    }
}

/* What one run leaves: y and two gradients. */
struct result {
    struct dsc_tensor y, dx, ds;
};

typedef void run_fn(struct dsc_device *d, enum dsc_dtype dtype, int which, struct result *r);

static void clear(struct result *r)
{
    dsc_tensor_clear(&r->y);
    dsc_tensor_clear(&r->dx);
    dsc_tensor_clear(&r->ds);
}

static void run_at(run_fn *run, int which, enum dsc_dtype dtype, int n_threads, int level,
                   struct result *r, struct dsc_device **d)
{
    ck_assert_int_eq(dsc_device_open(d, "cpu", n_threads, NULL), DSC_OK);
    dsc_device_set_cpu_level(*d, (enum dsc_cpu_level)level);
    run(*d, dtype, which, r);
}

static void check_close(const struct dsc_tensor *a, const struct dsc_tensor *b, double tolerance)
{
    for (int64_t i = 0; i < dsc_tensor_n_elems(a); i++) {
        double x = (double)((const float *)a->data)[i], y = ((const double *)b->data)[i];

        ck_assert_msg(fabs(x - y) <= tolerance * (1 + fabs(y)), "element %lld: %.9g, not %.9g",
                      (long long)i, x, y);
    }
}

static void check_same(const struct dsc_tensor *a, const struct dsc_tensor *b)
{
    ck_assert_mem_eq(a->data, b->data, dsc_tensor_n_bytes(a));
}

static void check(run_fn *run, int which, double tolerance)
{
    struct dsc_device *d64, *d32, *other;
    struct result exact, first, r;

    run_at(run, which, DSC_F64, 1, DSC_CPU_REF, &exact, &d64);
    run_at(run, which, DSC_F32, 1, DSC_CPU_REF, &first, &d32);
    check_close(&first.y, &exact.y, tolerance);
    check_close(&first.dx, &exact.dx, tolerance);
    check_close(&first.ds, &exact.ds, tolerance * 100);
    for (int level = 0; level <= (int)dsc_cpu_level_best(); level++) {
        run_at(run, which, DSC_F32, 1 + level % 3, level, &r, &other);
        check_same(&r.y, &first.y);
        check_same(&r.dx, &first.dx);
        check_same(&r.ds, &first.ds);
        clear(&r);
        dsc_device_close(other);
    }
    clear(&exact);
    clear(&first);
    dsc_device_close(d64);
    dsc_device_close(d32);
}

static void run_map(struct dsc_device *d, enum dsc_dtype dtype, int which, struct result *r)
{
    const bool is_log = which == DSC_MAP_log;
    const struct dsc_map_param p = {1, 1};
    struct dsc_tensor x, dy;

    tensor(d, &x, dtype, N_MAX, is_log ? 0.1 : 1, is_log ? 1 : 0);
    tensor(d, &dy, dtype, N_MAX, 0.3, 0.1);
    tensor(d, &r->y, dtype, N_MAX, 0, 0);
    tensor(d, &r->dx, dtype, N_MAX, 0.1, 0);
    tensor(d, &r->ds, dtype, 1, 0, 0);
    ck_assert_int_eq(dsc_map(d, (enum dsc_map_fn)which, p, &r->y, &x, NULL), DSC_OK);
    ck_assert_int_eq(dsc_map_bwd(d, (enum dsc_map_fn)which, p, &r->dx, &dy, &x, &r->y, NULL),
                     DSC_OK);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&dy);
}

START_TEST(maps_equal_their_double_twins_at_every_level)
{
    static const int fns[] = {DSC_MAP_erf,       DSC_MAP_exp,     DSC_MAP_gelu, DSC_MAP_gelu_tanh,
                              DSC_MAP_log,       DSC_MAP_sigmoid, DSC_MAP_tanh, DSC_MAP_relu,
                              DSC_MAP_hardswish, DSC_MAP_abs};

    for (size_t i = 0; i < sizeof fns / sizeof fns[0]; i++)
        check(run_map, fns[i], 1e-6);
}
END_TEST

/* which: bit 0 the logarithm, bit 1 an axis that is not the last */
static void run_softmax(struct dsc_device *d, enum dsc_dtype dtype, int which, struct result *r)
{
    const struct dsc_axis_view v = {which & 2 ? 10 : 400, 100, which & 2 ? 40 : 1};
    struct dsc_tensor x, dy;

    tensor(d, &x, dtype, N_MAX, 1, 0);
    tensor(d, &dy, dtype, N_MAX, 0.3, 0.1);
    tensor(d, &r->y, dtype, N_MAX, 0, 0);
    tensor(d, &r->dx, dtype, N_MAX, 0.1, 0);
    tensor(d, &r->ds, dtype, 1, 0, 0);
    ck_assert_int_eq(dsc_softmax(d, which & 1, v, &r->y, &x, NULL), DSC_OK);
    ck_assert_int_eq(dsc_softmax_bwd(d, which & 1, v, &r->dx, &dy, &r->y, NULL), DSC_OK);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&dy);
}

START_TEST(softmax_equals_its_double_twin_at_every_level)
{
    for (int which = 0; which < 4; which++)
        check(run_softmax, which, 3e-6);
}
END_TEST

/* which: 0 one scale; 1 a scale per column; 2 a scale per row; 3 per column, more than a tile; with
 * 4 rounding is drawn; with 8 there is an offset, whose gradient is looked at */
static void run_fake_quant(struct dsc_device *d, enum dsc_dtype dtype, int which, struct result *r)
{
    static const struct dsc_axis_view views[] = {
        {1, 1, N_MAX}, {400, 100, 1}, {4, 100, 100}, {20, 2000, 1}};
    static const int64_t ids[] = {7, 3, 900, 2};
    const struct dsc_axis_view v = views[which & 3];
    const struct dsc_fake_quant_spec q = {.zero = which & 1 ? 0 : 7,
                                          .low = which & 1 ? -127 : 0,
                                          .high = which & 1 ? 127 : 255,
                                          .inside = which & 2 ? 0.5 : 1,
                                          .is_stochastic = (which & 4) != 0,
                                          .key = {{5, 6}},
                                          .n_per_example = N_MAX / 4,
                                          .ids = ids};
    struct dsc_fake_quant_grads g = {.x = &r->dx, .factor = 0.01};
    struct dsc_tensor x, dy, scale, offset;

    tensor(d, &x, dtype, N_MAX, 1, 0.00071);
    tensor(d, &dy, dtype, N_MAX, 0.3, 0.1);
    tensor(d, &scale, dtype, v.n, 0.0011, 0.0371);
    tensor(d, &offset, dtype, 1, 0, -0.4);
    tensor(d, &r->y, dtype, N_MAX, 0, 0);
    tensor(d, &r->dx, dtype, N_MAX, 0.1, 0);
    tensor(d, &r->ds, dtype, v.n, 0.1, 0);
    *(which & 8 ? &g.offset : &g.scale) = &r->ds;
    ck_assert_int_eq(dsc_fake_quant(d, &q, v, &r->y, &x, &scale, which & 8 ? &offset : NULL, NULL),
                     DSC_OK);
    ck_assert_int_eq(
        dsc_fake_quant_bwd(d, &q, v, &g, &dy, &x, &scale, which & 8 ? &offset : NULL, NULL),
        DSC_OK);
    dsc_tensor_clear(&offset);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&dy);
    dsc_tensor_clear(&scale);
}

START_TEST(simulated_quantization_equals_its_double_twin_at_every_level)
{
    for (int which = 0; which < 9; which++)
        check(run_fake_quant, which, 2e-6);
}
END_TEST

/* which: 0 ternary, 1 binary; with 2 by column; with 4 one scale */
static void run_scaled_sign(struct dsc_device *d, enum dsc_dtype dtype, int which, struct result *r)
{
    const struct dsc_axis_view v = which & 4   ? (struct dsc_axis_view){1, 1, N_MAX}
                                   : which & 2 ? (struct dsc_axis_view){80, 500, 1}
                                               : (struct dsc_axis_view){4, 100, 100};
    struct dsc_tensor x;

    tensor(d, &x, dtype, N_MAX, 1, 0.00071);
    tensor(d, &r->y, dtype, N_MAX, 0, 0);
    tensor(d, &r->dx, dtype, 1, 0, 0);
    tensor(d, &r->ds, dtype, 1, 0, 0);
    ck_assert_int_eq(dsc_scaled_sign(d, which & 1 ? 0 : 0.7, v, &r->y, &x, NULL), DSC_OK);
    dsc_tensor_clear(&x);
}

START_TEST(scaled_signs_equal_their_double_twin_at_every_level)
{
    for (int which = 0; which < 6; which++)
        check(run_scaled_sign, which, 2e-6);
}
END_TEST

/* which: 0 a bias too, 1 without, 2 gains by channel */
static void run_norm(struct dsc_device *d, enum dsc_dtype dtype, int which, struct result *r)
{
    const struct dsc_norm_spec s = {400, 100, which == 2 ? 20 : 0, 1e-5};
    const int64_t n = which == 2 ? 20 : 100;
    struct dsc_tensor x, dy, gain, bias;

    tensor(d, &x, dtype, N_MAX, 1, 0.5);
    tensor(d, &dy, dtype, N_MAX, 0.3, 0.1);
    tensor(d, &gain, dtype, n, 0.1, 1);
    tensor(d, &bias, dtype, n, 0.1, 0);
    tensor(d, &r->y, dtype, N_MAX, 0, 0);
    tensor(d, &r->dx, dtype, N_MAX, 0.1, 0);
    tensor(d, &r->ds, dtype, n, 0.1, 0);
    const struct dsc_norm_grads g = {
        .dx = &r->dx, .dgain = which ? &r->ds : NULL, .dbias = which ? NULL : &r->ds, .dy = &dy};
    ck_assert_int_eq(dsc_norm(d, &s, &r->y, NULL, NULL, &x, &gain, which == 1 ? NULL : &bias, NULL),
                     DSC_OK);
    ck_assert_int_eq(dsc_norm_bwd(d, &s, &g, &x, &gain, NULL), DSC_OK);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&dy);
    dsc_tensor_clear(&gain);
    dsc_tensor_clear(&bias);
}

START_TEST(normalization_equals_its_double_twin_at_every_level)
{
    for (int which = 0; which < 3; which++)
        check(run_norm, which, 2e-6);
}
END_TEST

/* which: elements of an example; F64 draws one block at a time */
static void run_dropout(struct dsc_device *d, enum dsc_dtype dtype, int which, struct result *r)
{
    const struct dsc_rng_key key = dsc_rng_key(5);
    struct dsc_tensor x, dy;

    tensor(d, &x, dtype, N_MAX, 1, 7);
    tensor(d, &dy, dtype, N_MAX, 0.3, 0.1);
    tensor(d, &r->y, dtype, N_MAX, 0, 0);
    tensor(d, &r->dx, dtype, N_MAX, 0.1, 0);
    tensor(d, &r->ds, dtype, 1, 0, 0);
    ck_assert_int_eq(dsc_dropout(d, 0.25, key, which, NULL, &r->y, NULL, &x, NULL), DSC_OK);
    ck_assert_int_eq(dsc_dropout_bwd(d, 0.25, key, which, NULL, &r->dx, &dy, NULL), DSC_OK);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&dy);
}

START_TEST(dropout_equals_its_double_twin_at_every_level)
{
    check(run_dropout, 1, 1e-6);
    check(run_dropout, 403, 1e-6);
    check(run_dropout, N_MAX, 1e-6);
}
END_TEST

enum { IG_BATCH = 3, IG_M = 67, IG_N = 197, IG_K = 37 };

static void codes(struct dsc_device *d, struct dsc_tensor *t, enum dsc_dtype dtype, int64_t n)
{
    ck_assert_int_eq(dsc_device_tensor(d, t, dtype, 1, &n, NULL), DSC_OK);
    for (int64_t i = 0; i < n; i++)
        ((uint8_t *)t->data)[i] = (uint8_t)(i * 7919 % 251 + i % 13);
}

static int32_t code(const struct dsc_tensor *t, int64_t i)
{
    return t->dtype == DSC_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
}

/* n_za, n_zb: 0 none, 1 one, else one per row (column) of each batch; one B for all if shared */
static void check_igemm(enum dsc_dtype ta, enum dsc_dtype tb, int64_t n_za, int64_t n_zb,
                        bool is_shared)
{
    static const int64_t same[IG_BATCH] = {0};
    const struct dsc_igemm_spec s = {IG_M, IG_N, IG_K, IG_BATCH, NULL, is_shared ? same : NULL};
    const int64_t n_c = IG_BATCH * IG_M * IG_N;
    struct dsc_device *d;
    struct dsc_tensor a, b, c, za, zb;

    ck_assert_int_eq(dsc_device_open(&d, "cpu", 2, NULL), DSC_OK);
    codes(d, &a, ta, IG_BATCH * IG_M * IG_K);
    codes(d, &b, tb, IG_BATCH * IG_K * IG_N);
    codes(d, &za, ta, n_za ? n_za : 1);
    codes(d, &zb, tb, n_zb ? n_zb : 1);
    ck_assert_int_eq(dsc_device_tensor(d, &c, DSC_I32, 1, &n_c, NULL), DSC_OK);
    ck_assert_int_eq(dsc_igemm(d, &s, &c, &a, &b, n_za ? &za : NULL, n_zb ? &zb : NULL, NULL),
                     DSC_OK);
    for (int64_t i = 0; i < n_c; i++) {
        const int64_t row = i / IG_N, col = i % IG_N, batch = row / IG_M;
        int32_t sum = 0;

        for (int64_t k = 0; k < IG_K; k++)
            sum += (code(&a, row * IG_K + k) - (n_za ? code(&za, row % n_za) : 0)) *
                   (code(&b, (is_shared ? 0 : batch * IG_K * IG_N) + k * IG_N + col) -
                    (n_zb ? code(&zb, (batch * IG_N + col) % n_zb) : 0));
        if (((const int32_t *)c.data)[i] != sum)
            ck_abort_msg("element %lld", (long long)i);
    }
    dsc_tensor_clear(&a);
    dsc_tensor_clear(&b);
    dsc_tensor_clear(&c);
    dsc_tensor_clear(&za);
    dsc_tensor_clear(&zb);
    dsc_device_close(d);
}

START_TEST(integer_products_of_batches_equal_plain_sums)
{
    check_igemm(DSC_U8, DSC_I8, 0, 0, false);
    check_igemm(DSC_I8, DSC_I8, 1, 0, true);
    check_igemm(DSC_U8, DSC_U8, 1, 1, false);
    check_igemm(DSC_I8, DSC_U8, IG_M, IG_N, true);
    check_igemm(DSC_U8, DSC_U8, 0, 0, false);
    check_igemm(DSC_I8, DSC_I8, IG_BATCH * IG_M, IG_BATCH * IG_N, false);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cpu_prims");
    TCase *t = tcase_create("f32");
    SRunner *r;
    int n_failed;

    tcase_add_test(t, integer_products_of_batches_equal_plain_sums);
    tcase_add_test(t, maps_equal_their_double_twins_at_every_level);
    tcase_add_test(t, softmax_equals_its_double_twin_at_every_level);
    tcase_add_test(t, normalization_equals_its_double_twin_at_every_level);
    tcase_add_test(t, dropout_equals_its_double_twin_at_every_level);
    tcase_add_test(t, simulated_quantization_equals_its_double_twin_at_every_level);
    tcase_add_test(t, scaled_signs_equal_their_double_twin_at_every_level);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? 1 : 0;
}
