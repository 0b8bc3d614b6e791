/*
 * Calibration: histograms and the ranges of observers against NumPy and SciPy (the arrays:
 * tests/golden/calib/README.md), and merging.
 */
#include "golden_calib.h"

#include <float.h>

static const char *const names[] = {"normal",    "relu",     "heavy",   "constant",  "zero", "tiny",
                                    "two_peaks", "negative", "growing", "shrinking", "edges"};

enum { N_NAMES = sizeof names / sizeof names[0] };

static struct dsc_hist *observe(const struct dsc_bundle *b, const char *name)
{
    struct dsc_hist *h = new_hist();

    for (int k = 0; k < BATCHES; k++)
        dsc_hist_add(h, batch_of(b, name, k), BATCH, NULL);
    return h;
}

/* ---- against NumPy ---- */

START_TEST(histograms_equal_numpy)
{
    const char *name = names[_i];
    struct dsc_bundle b;
    struct dsc_hist *h;

    open_golden(&b);
    h = observe(&b, name);
    ck_assert_int_eq(h->exponent, dsc_tensor_get_i64(item(&b, name, "exponent"), 0));
    ck_assert_mem_eq(h->count, item(&b, name, "count")->data, sizeof h->count);
    ck_assert_uint_eq(h->n, BATCHES * BATCH);
    ck_assert_uint_eq(h->n_batches, BATCHES);
    ck_assert_uint_eq(h->n_bad, 0);
    dsc_heap_free(h);
    dsc_bundle_clear(&b);
}
END_TEST

static void range_is(const struct dsc_bundle *b, const char *name, const struct dsc_hist *h,
                     const char *observer, int n_levels, const char *part)
{
    const struct dsc_tensor *want = item(b, name, part);
    const struct dsc_observer *o;
    struct dsc_err err = {0};
    double param, got[2];

    ck_assert_msg(dsc_observer_parse(observer, &o, &param, &err) == DSC_OK, "%s", err.message);
    o->range(h, param, n_levels, &got[0], &got[1]);
    for (int i = 0; i < 2; i++) {
        const double w = dsc_tensor_get_f64(want, i);

        ck_assert_msg(fabs(got[i] - w) <= 1e-12 * fabs(w), "%s of %s: %s is %.17g, not %.17g", part,
                      name, i ? "high" : "low", got[i], w);
    }
}

START_TEST(ranges_of_observers_equal_numpy)
{
    static const char *const rows[] = {"minmax",          "ema",           "percentile:99.999",
                                       "percentile:99.9", "percentile:99", "percentile:90"};
    static const char *const searched[] = {"mse", "entropy"};
    const char *name = names[_i];
    struct dsc_bundle b;
    struct dsc_hist *h;

    open_golden(&b);
    h = observe(&b, name);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        range_is(&b, name, h, rows[i], 256, rows[i]);
    for (int k = 0; k < 2; k++) {
        char part[32];

        for (int bits = 8; bits > 1; bits /= 2) {
            snprintf(part, sizeof part, "%s.%d", searched[k], 1 << bits);
            range_is(&b, name, h, searched[k], 1 << bits, part);
        }
    }
    dsc_heap_free(h);
    dsc_bundle_clear(&b);
}
END_TEST

START_TEST(percentiles_are_within_a_bin_of_the_raw_quantiles)
{
    static const double percents[] = {99.999, 99.9, 99, 90};
    const char *name = names[_i];
    struct dsc_bundle b;
    struct dsc_hist *h;

    open_golden(&b);
    h = observe(&b, name);
    for (int k = 0; k < 4; k++) {
        const double q = percents[k] / 100;
        const struct dsc_tensor *raw;
        char part[32];

        snprintf(part, sizeof part, "quantile:%g", percents[k]);
        raw = item(&b, name, part);
        ck_assert_double_eq_tol(dsc_hist_quantile(h, 1 - q), dsc_tensor_get_f64(raw, 0),
                                ldexp(1, h->exponent));
        ck_assert_double_eq_tol(dsc_hist_quantile(h, q), dsc_tensor_get_f64(raw, 1),
                                ldexp(1, h->exponent));
    }
    dsc_heap_free(h);
    dsc_bundle_clear(&b);
}
END_TEST

/* Codes of the raw values, against the estimate from bins. */
START_TEST(the_signal_to_noise_ratio_is_that_of_the_raw_values)
{
    static const char *const dense[] = {"normal", "two_peaks", "negative", "tiny"};
    const char *name = dense[_i / 2];
    struct dsc_bundle b;
    struct dsc_hist *h;
    double signal = 0, noise = 0, low, high, step;

    open_golden(&b);
    h = observe(&b, name);
    low = (_i % 2 ? 0.8 : 1) * h->low; /* some are cut off, or none */
    high = (_i % 2 ? 0.8 : 1) * h->high;
    step = (high - low) / 255;
    for (int i = 0; i < BATCHES * BATCH; i++) {
        const double v = (double)batch_of(&b, name, 0)[i];
        const double near = fmin(fmax(low + rint((v - low) / step) * step, low), high);

        signal += v * v;
        noise += (v - near) * (v - near);
    }
    ck_assert_double_eq_tol(dsc_hist_sqnr_db(h, low, high, 256), 10 * log10(signal / noise), 0.3);
    dsc_heap_free(h);
    dsc_bundle_clear(&b);
}
END_TEST

/* ---- merging ---- */

/* An empty shard, and one of NaN alone, among the others. */
static void make_shards(const struct dsc_bundle *b, const char *name, struct dsc_hist **shards)
{
    for (int k = 0; k < BATCHES + 2; k++) {
        shards[k] = new_hist();
        if (k < BATCHES)
            dsc_hist_add(shards[k], batch_of(b, name, k), BATCH, NULL);
    }
    dsc_hist_add(shards[BATCHES + 1], &(float){NAN}, 1, NULL);
}

START_TEST(shards_merge_to_the_whole_in_any_order)
{
    const char *name = names[_i];
    struct dsc_hist *shards[BATCHES + 2], *whole, *half;
    struct dsc_bundle b;

    open_golden(&b);
    whole = observe(&b, name);
    dsc_hist_add(whole, &(float){NAN}, 1, NULL);
    make_shards(&b, name, shards);
    for (int start = 0; start < BATCHES + 2; start++) {
        for (int step = 1; step < BATCHES + 2; step++) { /* 7 is prime: each is a permutation */
            struct dsc_hist *sum = new_hist();

            for (int k = 0; k < BATCHES + 2; k++)
                dsc_hist_merge(sum, shards[(start + k * step) % (BATCHES + 2)]);
            same_hist(sum, whole);
            dsc_heap_free(sum);
        }
    }
    half = new_hist(); /* a tree: (0 1) (2 3), then the rest */
    dsc_hist_merge(shards[0], shards[1]);
    dsc_hist_merge(shards[2], shards[3]);
    dsc_hist_merge(half, shards[2]);
    dsc_hist_merge(half, shards[0]);
    dsc_hist_merge(shards[4], half);
    dsc_hist_merge(shards[4], shards[6]);
    same_hist(shards[4], whole);
    for (int k = 0; k < BATCHES + 2; k++)
        dsc_heap_free(shards[k]);
    dsc_heap_free(half);
    dsc_heap_free(whole);
    dsc_bundle_clear(&b);
}
END_TEST

START_TEST(an_empty_shard_changes_nothing)
{
    struct dsc_hist *empty = new_hist(), *some = new_hist();

    dsc_hist_add(some, (const float[]){1, 2}, 2, NULL);
    dsc_hist_add(some, &(float){3}, 1, NULL);
    dsc_hist_merge(empty, some);
    same_hist(empty, some);
    ck_assert(empty->ema_low == some->ema_low && empty->ema_high == some->ema_high);
    dsc_hist_init(empty);
    dsc_hist_merge(some, empty);
    ck_assert(some->ema_low == 1.2 && some->n == 3);
    dsc_hist_merge(some, some); /* two make a merged one */
    ck_assert(isnan(some->ema_low) && isnan(some->ema_high) && some->n == 6);
    dsc_heap_free(empty);
    dsc_heap_free(some);
}
END_TEST

START_TEST(values_one_by_one_and_from_the_end_count_the_same)
{
    const char *name = names[_i];
    struct dsc_hist *whole, *ones = new_hist();
    struct dsc_bundle b;

    open_golden(&b);
    whole = observe(&b, name);
    for (int i = BATCHES * BATCH - 1; i >= 0; i--)
        dsc_hist_add(ones, batch_of(&b, name, 0) + i, 1, NULL);
    ones->n_batches = whole->n_batches;
    same_hist(ones, whole);
    dsc_heap_free(ones);
    dsc_heap_free(whole);
    dsc_bundle_clear(&b);
}
END_TEST

START_TEST(what_is_not_finite_is_counted_apart)
{
    const float x[] = {1, NAN, -INFINITY, 2, INFINITY, -NAN}, all_bad[] = {NAN, INFINITY};
    struct dsc_hist *h = new_hist();

    dsc_hist_add(h, all_bad, 2, NULL);
    ck_assert_uint_eq(h->n, 0);
    ck_assert_uint_eq(h->n_batches, 0);
    dsc_hist_add(h, x, 6, NULL);
    dsc_hist_add(h, x, 0, NULL);
    ck_assert_uint_eq(h->n, 2);
    ck_assert_uint_eq(h->n_bad, 6);
    ck_assert_uint_eq(h->n_batches, 1);
    ck_assert(h->low == 1 && h->high == 2 && h->ema_low == 1 && h->ema_high == 2);
    dsc_heap_free(h);
}
END_TEST

START_TEST(extreme_floats_have_a_bin)
{
    static const float x[] = {FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN, 1e-45f, -1e-45f, 0, -0.0f};
    struct dsc_hist *h;

    for (int first = 0; first < 8; first++) {
        h = new_hist();
        for (int k = 0; k < 8; k++) {
            dsc_hist_add(h, &x[(first + 3 * k) % 8], 1, NULL);
            all_observers_answer(h);
        }
        ck_assert_uint_eq(h->n, 8);
        ck_assert_int_eq(h->exponent, 117);
        dsc_heap_free(h);
    }
}
END_TEST

START_TEST(values_far_apart_count_the_same_in_any_order)
{
    static const float x[] = {-1e-45f, -1e-30f, 1e-30f, -1e-12f, -1, 3, -1e20f, FLT_MAX};
    struct dsc_hist *up = new_hist(), *down = new_hist(), *all = new_hist();

    for (int k = 0; k < 8; k++) {
        dsc_hist_add(up, &x[k], 1, NULL);
        dsc_hist_add(down, &x[7 - k], 1, NULL);
    }
    dsc_hist_add(all, x, 8, NULL);
    all->n_batches = up->n_batches;
    same_hist(up, down);
    same_hist(up, all);
    ck_assert_uint_eq(all->count[DSC_HIST_BINS / 2], 2);
    ck_assert_uint_eq(all->count[DSC_HIST_BINS / 2 - 1], 5);
    dsc_heap_free(up);
    dsc_heap_free(down);
    dsc_heap_free(all);
}
END_TEST

START_TEST(threads_count_what_one_counts)
{
    enum { N = 100003, PIECE = 1000 };
    struct dsc_hist *whole = calloc(1, sizeof *whole), *pieces = calloc(1, sizeof *pieces);
    float *x = malloc(N * sizeof *x);
    struct dsc_pool *pool;

    for (int i = 0; i < N; i++)
        x[i] = i % 997 == 0 ? NAN : (float)(i * 7919 % 10007 - 4000) / 512;
    ck_assert_int_eq(dsc_pool_open(&pool, 3, NULL), DSC_OK);
    dsc_hist_init(whole);
    dsc_hist_init(pieces);
    dsc_hist_add(whole, x, N, pool);
    for (int i = 0; i < N; i += PIECE)
        dsc_hist_add(pieces, x + i, N - i < PIECE ? N - i : PIECE, NULL);
    ck_assert_uint_eq(whole->n, pieces->n);
    ck_assert_uint_eq(whole->n_bad, pieces->n_bad);
    ck_assert_int_eq(whole->exponent, pieces->exponent);
    ck_assert_mem_eq(whole->count, pieces->count, sizeof whole->count);
    ck_assert_double_eq(whole->low, pieces->low);
    ck_assert_double_eq(whole->high, pieces->high);
    dsc_pool_close(pool);
    free(whole);
    free(pieces);
    free(x);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("observers");
    TCase *t = tcase_create("observers");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, histograms_equal_numpy, 0, N_NAMES);
    tcase_add_loop_test(t, ranges_of_observers_equal_numpy, 0, N_NAMES);
    tcase_add_test(t, threads_count_what_one_counts);
    tcase_add_loop_test(t, percentiles_are_within_a_bin_of_the_raw_quantiles, 0, N_NAMES);
    tcase_add_loop_test(t, the_signal_to_noise_ratio_is_that_of_the_raw_values, 0, 8);
    tcase_add_loop_test(t, shards_merge_to_the_whole_in_any_order, 0, N_NAMES);
    tcase_add_loop_test(t, values_one_by_one_and_from_the_end_count_the_same, 0, N_NAMES);
    tcase_add_test(t, an_empty_shard_changes_nothing);
    tcase_add_test(t, what_is_not_finite_is_counted_apart);
    tcase_add_test(t, extreme_floats_have_a_bin);
    tcase_add_test(t, values_far_apart_count_the_same_in_any_order);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
