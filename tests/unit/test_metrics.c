/* eval/: metrics, bootstrap, McNemar against scikit-learn, scipy and NumPy (golden/metrics). */
#include "dsc/eval.h"
#include "dsc/rng.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *golden(void)
{
    const char *dir = getenv("GOLDEN");
    char path[4096];
    json_error_t e;
    json_t *j;

    snprintf(path, sizeof path, "%s/metrics/metrics.json", dir ? dir : "tests/golden");
    j = json_load_file(path, 0, &e);
    ck_assert_msg(j != NULL, "%s: %s", path, e.text);
    return j;
}

static double number(const json_t *o, const char *key)
{
    ck_assert_msg(json_is_number(json_object_get(o, key)), "no number '%s'", key);
    return json_number_value(json_object_get(o, key));
}

static int32_t *ints(const json_t *a, struct dsc_arena *arena)
{
    int32_t *v =
        json_is_array(a) ? dsc_arena_alloc(arena, json_array_size(a), sizeof *v, NULL) : NULL;

    for (size_t i = 0; v && i < json_array_size(a); i++)
        v[i] = (int32_t)json_integer_value(json_array_get(a, i));
    return v;
}

static double *reals(const json_t *a, struct dsc_arena *arena)
{
    const size_t n = json_array_size(a);
    const size_t per =
        n && json_is_array(json_array_get(a, 0)) ? json_array_size(json_array_get(a, 0)) : 1;
    double *v = n ? dsc_arena_alloc(arena, n, per * sizeof *v, NULL) : NULL;

    for (size_t i = 0; v && i < n; i++) {
        const json_t *row = json_array_get(a, i);

        for (size_t k = 0; k < per; k++)
            v[i * per + k] = json_number_value(json_is_array(row) ? json_array_get(row, k) : row);
    }
    return v;
}

static struct dsc_predictions predictions(const json_t *c, struct dsc_arena *arena)
{
    const json_t *truth = json_object_get(c, "y_true"), *target = json_object_get(c, "target");

    return (struct dsc_predictions){
        .n = json_array_size(truth ? truth : target),
        .n_classes = (int32_t)number(c, "n_classes"),
        .positive = (int32_t)number(c, "positive"),
        .y_true = ints(truth, arena),
        .y_pred = ints(json_object_get(c, "y_pred"), arena),
        .prob = reals(json_object_get(c, "prob"), arena),
        .target = reals(target, arena),
        .value = reals(json_object_get(c, "value"), arena),
    };
}

static void assert_near(double got, double want, double tolerance, const char *what,
                        const char *metric)
{
    const double scale = fabs(want) > 1 ? fabs(want) : 1;

    ck_assert_msg(fabs(got - want) <= tolerance * scale, "%s, %s: %.17g, wanted %.17g", what,
                  metric, got, want);
}

START_TEST(every_metric_equals_scikit_learn)
{
    json_t *g = golden(), *c, *want;
    const char *name;
    size_t i, n_seen = 0;

    json_array_foreach(json_object_get(g, "cases"), i, c)
    {
        const char *what = json_string_value(json_object_get(c, "name"));
        struct dsc_arena arena;
        struct dsc_predictions p;

        dsc_arena_init(&arena);
        p = predictions(c, &arena);
        json_object_foreach(json_object_get(c, "want"), name, want)
        {
            const struct dsc_metric *m = dsc_metric_find(name);
            struct dsc_err err = {0};
            double v = NAN;
            enum dsc_status s;

            ck_assert_msg(m != NULL, "no metric %s", name);
            s = dsc_metric_value(m, &p, &v, &err);
            ck_assert_msg(s == (json_is_null(want) ? DSC_E_EMPTY : DSC_OK), "%s, %s: %d %s", what,
                          name, (int)s, err.message);
            if (s == DSC_OK)
                assert_near(v, json_number_value(want), 1e-9, what, name);
            n_seen++;
        }
        dsc_arena_clear(&arena);
    }
    ck_assert_uint_gt(n_seen, 100);
    json_decref(g);
}
END_TEST

START_TEST(every_metric_of_the_table_is_in_the_golden_file)
{
    json_t *g = golden(), *c;
    size_t i;

    for (size_t m = 0; dsc_metrics()[m]; m++) {
        bool is_there = false;

        json_array_foreach(json_object_get(g, "cases"), i, c)
        {
            is_there |= json_object_get(json_object_get(c, "want"), dsc_metrics()[m]->name) != NULL;
        }
        ck_assert_msg(is_there, "%s", dsc_metrics()[m]->name);
        ck_assert(m == 0 || strcmp(dsc_metrics()[m - 1]->name, dsc_metrics()[m]->name) < 0);
    }
    json_decref(g);
}
END_TEST

static const json_t *case_named(const json_t *g, const json_t *name)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_object_get(g, "cases"), i, c)
    {
        if (json_equal((json_t *)(uintptr_t)json_object_get(c, "name"), (json_t *)(uintptr_t)name))
            return c;
    }
    ck_abort_msg("no case %s", json_string_value(name));
    return NULL;
}

START_TEST(bootstrap_intervals_equal_an_independent_program)
{
    json_t *g = golden(), *b;
    size_t i;

    json_array_foreach(json_object_get(g, "bootstraps"), i, b)
    {
        const char *metric = json_string_value(json_object_get(b, "metric"));
        const struct dsc_metric *m = dsc_metric_find(metric);
        const struct dsc_bootstrap spec = {.n_draws = (size_t)number(b, "n_draws"),
                                           .seed = (uint64_t)number(b, "seed")};
        struct dsc_interval got;
        struct dsc_arena arena;
        struct dsc_predictions p;
        struct dsc_err err = {0};

        dsc_arena_init(&arena);
        p = predictions(case_named(g, json_object_get(b, "case")), &arena);
        ck_assert_msg(dsc_metric_intervals(&spec, 0.95, &m, 1, &p, &got, &err) == DSC_OK, "%s",
                      err.message);
        assert_near(got.low, number(b, "low"), 1e-9, "low", metric);
        assert_near(got.high, number(b, "high"), 1e-9, "high", metric);
        assert_near(got.se, number(b, "se"), 1e-9, "se", metric);
        ck_assert_uint_eq(got.n_undefined, (size_t)number(b, "n_undefined"));
        dsc_arena_clear(&arena);
    }
    json_decref(g);
}
END_TEST

START_TEST(paired_intervals_equal_an_independent_program)
{
    json_t *g = golden(), *b;
    size_t i;

    json_array_foreach(json_object_get(g, "paired"), i, b)
    {
        const char *metric = json_string_value(json_object_get(b, "metric"));
        const struct dsc_metric *m = dsc_metric_find(metric);
        const struct dsc_bootstrap spec = {.n_draws = (size_t)number(b, "n_draws"),
                                           .seed = (uint64_t)number(b, "seed")};
        struct dsc_predictions p, base;
        struct dsc_interval got;
        struct dsc_arena arena;
        int32_t *cand;

        dsc_arena_init(&arena);
        base = predictions(case_named(g, json_object_get(b, "case")), &arena);
        cand = dsc_arena_alloc(&arena, base.n, sizeof *cand, NULL);
        for (size_t k = 0; k < base.n; k++)
            cand[k] = k % 7 == 0 ? (base.y_pred[k] + 1) % base.n_classes : base.y_pred[k];
        p = base;
        p.y_pred = cand;
        ck_assert_int_eq(dsc_metric_differences(&spec, 0.95, &m, 1, &p, &base, &got, NULL), DSC_OK);
        assert_near(got.low, number(b, "low"), 1e-9, "low", metric);
        assert_near(got.high, number(b, "high"), 1e-9, "high", metric);
        dsc_arena_clear(&arena);
    }
    ck_assert_uint_gt(i, 0);
    json_decref(g);
}
END_TEST

START_TEST(logits_become_labels_and_probabilities)
{
    const float logits[3] = {1, 3, 3}, bad[2] = {0, NAN}, far[2] = {-500, 500};
    double prob[3];
    int32_t y;

    ck_assert_int_eq(dsc_predict_row(logits, 3, &y, prob, NULL), DSC_OK);
    ck_assert_int_eq(y, 1);
    ck_assert_double_eq_tol(prob[0], exp(-2.0) / (2 + exp(-2.0)), 1e-16);
    ck_assert_double_eq_tol(prob[0] + prob[1] + prob[2], 1, 1e-15);
    ck_assert_int_eq(dsc_predict_row(far, 2, &y, prob, NULL), DSC_OK);
    ck_assert_double_eq(prob[1], 1);
    ck_assert_int_eq(dsc_predict_row(bad, 2, &y, NULL, NULL), DSC_E_NONFINITE);
}
END_TEST

START_TEST(mcnemar_equals_scipy)
{
    json_t *g = golden(), *w;
    size_t i;

    json_array_foreach(json_object_get(g, "mcnemar"), i, w)
    {
        const size_t b = (size_t)number(w, "only_base"), c = (size_t)number(w, "only_cand");
        int32_t zero[1024] = {0}, cand[1024] = {0}, base[1024] = {0};
        struct dsc_predictions p = {.n = b + c + 1, .n_classes = 2, .positive = 1, .y_true = zero};
        struct dsc_predictions q;
        struct dsc_mcnemar r;

        for (size_t k = 0; k < b + c; k++)
            *(k < b ? &cand[k] : &base[k]) = 1; /* wrong */
        p.y_pred = cand;
        q = p;
        q.y_pred = base;
        ck_assert_int_eq(dsc_mcnemar(&p, &q, &r, NULL), DSC_OK);
        ck_assert_uint_eq(r.n_only_base, b);
        ck_assert_uint_eq(r.n_only_cand, c);
        ck_assert_uint_eq(r.n_flips, b + c);
        assert_near(r.chi2, number(w, "chi2"), 1e-12, "mcnemar", "chi2");
        assert_near(r.p_chi2, number(w, "p_chi2"), 1e-12, "mcnemar", "p_chi2");
        assert_near(r.p_exact, number(w, "p_exact"), 1e-11, "mcnemar", "p_exact");
    }
    json_decref(g);
}
END_TEST

START_TEST(normal_quantiles_equal_scipy)
{
    json_t *g = golden(), *v;
    const char *q;

    json_object_foreach(json_object_get(g, "normal_quantiles"), q, v) assert_near(
        dsc_normal_quantile(strtod(q, NULL)), json_number_value(v), 1e-12, "quantile", q);
    json_decref(g);
}
END_TEST

/* n examples of which about a tenth is predicted wrong, by seed. */
static struct dsc_predictions random_labels(size_t n, uint64_t seed, struct dsc_arena *arena)
{
    int32_t *truth = dsc_arena_alloc(arena, n, sizeof *truth, NULL);
    int32_t *pred = dsc_arena_alloc(arena, n, sizeof *pred, NULL);
    double *prob = dsc_arena_alloc(arena, n, 2 * sizeof *prob, NULL);
    struct dsc_rng truths, errors;

    dsc_rng_init(&truths, dsc_rng_key(1));
    dsc_rng_init(&errors, dsc_rng_key(seed));
    for (size_t i = 0; i < n; i++) {
        truth[i] = dsc_rng_below(&truths, 4) == 0;
        pred[i] = dsc_rng_below(&errors, 10) == 0 ? 1 - truth[i] : truth[i];
        prob[2 * i + 1] = 0.5 + (pred[i] - 0.5) * (double)dsc_rng_uniform(&errors);
        prob[2 * i] = 1 - prob[2 * i + 1];
    }
    return (struct dsc_predictions){
        .n = n, .n_classes = 2, .positive = 1, .y_true = truth, .y_pred = pred, .prob = prob};
}

START_TEST(the_bootstrap_is_the_same_for_any_thread_count)
{
    enum { DRAWS = 500 };
    const struct dsc_metric *const *metrics;
    struct dsc_arena arena;
    struct dsc_predictions p, q;
    double *draws[3], *base[3];
    size_t n_metrics;

    dsc_arena_init(&arena);
    p = random_labels(300, 2, &arena);
    q = random_labels(300, 3, &arena);
    ck_assert_int_eq(dsc_metric_parse("f1,roc-auc,ap,log-loss", &metrics, &n_metrics, &arena, NULL),
                     DSC_OK);
    for (int t = 0; t < 3; t++) {
        struct dsc_bootstrap b = {.n_draws = DRAWS, .seed = 7};

        draws[t] = dsc_arena_alloc(&arena, DRAWS * n_metrics, sizeof(double), NULL);
        base[t] = dsc_arena_alloc(&arena, DRAWS * n_metrics, sizeof(double), NULL);
        ck_assert_int_eq(dsc_pool_open(&b.pool, t + 1, NULL), DSC_OK);
        ck_assert_int_eq(dsc_bootstrap_run(&b, metrics, n_metrics, &p, &q, draws[t], base[t], NULL),
                         DSC_OK);
        dsc_pool_close(b.pool);
        ck_assert_mem_eq(draws[t], draws[0], DRAWS * n_metrics * sizeof(double));
        ck_assert_mem_eq(base[t], base[0], DRAWS * n_metrics * sizeof(double));
    }
    dsc_arena_clear(&arena);
}
END_TEST

START_TEST(equal_models_differ_by_exactly_nothing)
{
    const struct dsc_metric *m = dsc_metric_find("f1");
    const struct dsc_bootstrap b = {.n_draws = 200};
    struct dsc_interval d;
    struct dsc_arena arena;
    struct dsc_predictions p;

    dsc_arena_init(&arena);
    p = random_labels(100, 2, &arena);
    ck_assert_int_eq(dsc_metric_differences(&b, 0, &m, 1, &p, &p, &d, NULL), DSC_OK);
    ck_assert_double_eq(d.value, 0);
    ck_assert_double_eq(d.low, 0);
    ck_assert_double_eq(d.high, 0);
    dsc_arena_clear(&arena);
}
END_TEST

START_TEST(draws_without_positives_are_left_out_and_counted)
{
    const struct dsc_metric *m = dsc_metric_find("recall");
    const struct dsc_bootstrap b = {.n_draws = 1000};
    int32_t truth[10] = {1}, pred[10] = {1};
    const struct dsc_predictions p = {
        .n = 10, .n_classes = 2, .positive = 1, .y_true = truth, .y_pred = pred};
    struct dsc_interval i;

    ck_assert_int_eq(dsc_metric_intervals(&b, 0, &m, 1, &p, &i, NULL), DSC_OK);
    ck_assert_double_eq(i.low, 1);
    ck_assert_uint_gt(i.n_undefined, 300); /* 0.9^10 = 0.349 */
    ck_assert_uint_lt(i.n_undefined, 400);
}
END_TEST

START_TEST(bad_predictions_have_their_classes)
{
    int32_t truth[2] = {0, 1}, pred[2] = {0, 2};
    double prob[4] = {0.5, 0.5, NAN, 1}, value[2] = {1, 2};
    struct dsc_predictions p = {
        .n = 2, .n_classes = 2, .positive = -1, .y_true = truth, .y_pred = pred, .prob = prob};
    struct dsc_predictions q = p;
    struct dsc_mcnemar r;
    double v;

    ck_assert_int_eq(dsc_metric_value(dsc_metric_find("accuracy"), &p, &v, NULL), DSC_E_RANGE);
    pred[1] = 1;
    ck_assert_int_eq(dsc_metric_value(dsc_metric_find("f1"), &p, &v, NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_metric_value(dsc_metric_find("log-loss"), &p, &v, NULL), DSC_E_NONFINITE);
    ck_assert_int_eq(dsc_metric_value(dsc_metric_find("mse"), &p, &v, NULL), DSC_E_USAGE);
    q.n = 1;
    ck_assert_int_eq(dsc_mcnemar(&p, &q, &r, NULL), DSC_E_INCONSISTENT);
    p = (struct dsc_predictions){.n = 2, .target = value, .value = value, .positive = -1};
    ck_assert_int_eq(dsc_metric_value(dsc_metric_find("f1-macro"), &p, &v, NULL), DSC_E_USAGE);
    p.n = 0;
    ck_assert_int_eq(dsc_metric_value(dsc_metric_find("mse"), &p, &v, NULL), DSC_E_EMPTY);
}
END_TEST

START_TEST(metric_lists_and_positive_classes_are_parsed_strictly)
{
    static const char *const digits[] = {"0", "1"}, *const names[] = {"ham", "spam"};
    const struct dsc_metric *const *m;
    struct dsc_arena arena;
    struct dsc_err err = {0};
    size_t n;
    int32_t pos;

    dsc_arena_init(&arena);
    ck_assert_int_eq(dsc_metric_parse("f1,accuracy", &m, &n, &arena, NULL), DSC_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(m[1]->name, "accuracy");
    ck_assert_int_eq(dsc_metric_parse("f1,f2", &m, &n, &arena, &err), DSC_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "no metric 'f2'; there are: accuracy, ap, f1, "));
    ck_assert_int_eq(dsc_metric_parse("f1,f1", &m, &n, &arena, NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_metric_parse("", &m, &n, &arena, NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_metric_parse("f1,", &m, &n, &arena, NULL), DSC_E_USAGE);
    dsc_arena_clear(&arena);
    ck_assert_int_eq(dsc_positive_class(digits, 2, NULL, &pos, NULL), DSC_OK);
    ck_assert_int_eq(pos, 1);
    ck_assert_int_eq(dsc_positive_class(names, 2, NULL, &pos, NULL), DSC_OK);
    ck_assert_int_eq(pos, -1);
    ck_assert_int_eq(dsc_positive_class(names, 2, "ham", &pos, NULL), DSC_OK);
    ck_assert_int_eq(pos, 0);
    ck_assert_int_eq(dsc_positive_class(names, 2, "eggs", &pos, NULL), DSC_E_USAGE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    SRunner *r;
    int n_failed;

    tcase_add_test(t, every_metric_equals_scikit_learn);
    tcase_add_test(t, every_metric_of_the_table_is_in_the_golden_file);
    tcase_add_test(t, bootstrap_intervals_equal_an_independent_program);
    tcase_add_test(t, paired_intervals_equal_an_independent_program);
    tcase_add_test(t, logits_become_labels_and_probabilities);
    tcase_add_test(t, mcnemar_equals_scipy);
    tcase_add_test(t, normal_quantiles_equal_scipy);
    tcase_add_test(t, the_bootstrap_is_the_same_for_any_thread_count);
    tcase_add_test(t, equal_models_differ_by_exactly_nothing);
    tcase_add_test(t, draws_without_positives_are_left_out_and_counted);
    tcase_add_test(t, bad_predictions_have_their_classes);
    tcase_add_test(t, metric_lists_and_positive_classes_are_parsed_strictly);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
