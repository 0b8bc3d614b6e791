/* eval/: the gate's bars and its verdict. */
#include "dsc/gate.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct dsc_check bar(enum dsc_check_kind kind, const char *text)
{
    struct dsc_check c = {0};
    struct dsc_err err = {0};

    ck_assert_msg(dsc_check_parse(kind, text, &c, &err) == DSC_OK, "%s: %s", text, err.message);
    return c;
}

static void assert_refused(enum dsc_check_kind kind, const char *text)
{
    struct dsc_check c;
    struct dsc_err err = {0};

    ck_assert_msg(dsc_check_parse(kind, text, &c, &err) == DSC_E_USAGE, "%s", text);
    ck_assert_str_ne(err.message, "");
}

START_TEST(bars_are_read_with_their_units)
{
    ck_assert_double_eq(bar(DSC_CHECK_MIN, "f1=0.92").bar, 0.92);
    ck_assert_double_eq(bar(DSC_CHECK_MIN, "f1=92%").bar, 0.92);
    ck_assert_str_eq(bar(DSC_CHECK_MIN, "f1-macro=.5").metric->name, "f1-macro");
    ck_assert_double_eq(bar(DSC_CHECK_MAX_DROP, "f1=0.01").bar, 0.01);
    ck_assert_double_eq(bar(DSC_CHECK_MAX_DROP, "log-loss=1.5").bar, 1.5);
    ck_assert_double_eq(bar(DSC_CHECK_RETAIN, "f1=99%").bar, 0.99);
    ck_assert_double_eq(bar(DSC_CHECK_RETAIN, "f1=0.99").bar, 0.99);
    ck_assert_double_eq(bar(DSC_CHECK_MAX_SIZE, "15MB").bar, 15e6);
    ck_assert_double_eq(bar(DSC_CHECK_MAX_SIZE, "1.5MiB").bar, 1572864);
    ck_assert_double_eq(bar(DSC_CHECK_MAX_SIZE, "1234").bar, 1234);
    ck_assert_double_eq(bar(DSC_CHECK_MAX_PARAMS, "22.7M").bar, 22.7e6);
    ck_assert_double_eq(bar(DSC_CHECK_MAX_PARAMS, "1.5B").bar, 1.5e9);
    ck_assert_double_eq(bar(DSC_CHECK_MIN_SPEEDUP, "1.5").bar, 1.5);
    ck_assert_double_eq(bar(DSC_CHECK_MIN_SPEEDUP, "2x").bar, 2);
}
END_TEST

START_TEST(bars_that_cannot_be_meant_are_refused)
{
    assert_refused(DSC_CHECK_MIN, "f1");
    assert_refused(DSC_CHECK_MIN, "f1=");
    assert_refused(DSC_CHECK_MIN, "f1=92");
    assert_refused(DSC_CHECK_MIN, "f1=-0.1");
    assert_refused(DSC_CHECK_MIN, "f1=nan");
    assert_refused(DSC_CHECK_MIN, "f1=0x1");
    assert_refused(DSC_CHECK_MIN, "f2=0.5");
    assert_refused(DSC_CHECK_MIN, "mse=0.5");
    assert_refused(DSC_CHECK_MIN, "f1=0.9 ");
    assert_refused(DSC_CHECK_MAX_DROP, "f1=1%");
    assert_refused(DSC_CHECK_MAX_DROP, "f1=5");
    assert_refused(DSC_CHECK_RETAIN, "f1=99");
    assert_refused(DSC_CHECK_RETAIN, "mse=99%");
    assert_refused(DSC_CHECK_MAX_SIZE, "15MBit");
    assert_refused(DSC_CHECK_MAX_SIZE, "0");
    assert_refused(DSC_CHECK_MAX_PARAMS, "15MiB");
    assert_refused(DSC_CHECK_MIN_SPEEDUP, "150%");
    assert_refused(DSC_CHECK_MIN_SPEEDUP, "");
}
END_TEST

/* 100 examples, 50 positive; the first n_wrong positives and n_wrong negatives are wrong. */
struct pair {
    int32_t truth[1000], cand[1000], base[1000];
    struct dsc_predictions p, q;
};

static void make_pair(struct pair *x, size_t n, size_t cand_wrong, size_t base_wrong)
{
    for (size_t i = 0; i < n; i++) {
        x->truth[i] = i % 2 == 0;
        x->cand[i] = i < 2 * cand_wrong ? 1 - x->truth[i] : x->truth[i];
        x->base[i] = i < 2 * base_wrong ? 1 - x->truth[i] : x->truth[i];
    }
    x->p = (struct dsc_predictions){.n = n, .n_classes = 2, .positive = 1, .y_true = x->truth};
    x->q = x->p;
    x->p.y_pred = x->cand;
    x->q.y_pred = x->base;
}

static struct dsc_verdict decide(const struct pair *x, const struct dsc_check *c, size_t n,
                                 double confidence, struct dsc_arena *arena)
{
    const struct dsc_gate_input in = {.candidate = &x->p,
                                      .baseline = &x->q,
                                      .size_bytes = 15000000,
                                      .n_params = 1000,
                                      .speedup = 1.5};
    const struct dsc_gate_rule rule = {.confidence = confidence, .bootstrap = {.n_draws = 2000}};
    struct dsc_verdict v;
    struct dsc_err err = {0};

    ck_assert_msg(dsc_gate_decide(&in, c, n, &rule, &v, arena, &err) == DSC_OK, "%s", err.message);
    return v;
}

START_TEST(point_values_on_the_bar_pass_and_below_it_fail)
{
    const struct dsc_check c[] = {
        bar(DSC_CHECK_MIN, "f1=0.94"),      bar(DSC_CHECK_MIN, "f1=0.941"),
        bar(DSC_CHECK_MAX_DROP, "f1=0.01"), bar(DSC_CHECK_MAX_DROP, "f1=0.009"),
        bar(DSC_CHECK_RETAIN, "f1=98.9%"),  bar(DSC_CHECK_RETAIN, "f1=99%"),
        bar(DSC_CHECK_MAX_SIZE, "15MB"),    bar(DSC_CHECK_MAX_SIZE, "14.9MB"),
        bar(DSC_CHECK_MAX_PARAMS, "1k"),    bar(DSC_CHECK_MAX_PARAMS, "999"),
        bar(DSC_CHECK_MIN_SPEEDUP, "1.5"),  bar(DSC_CHECK_MIN_SPEEDUP, "1.51"),
    };
    struct dsc_arena arena;
    struct dsc_verdict v;
    struct pair x;

    dsc_arena_init(&arena);
    make_pair(&x, 200, 6, 5); /* F1 0.94 after 0.95 */
    v = decide(&x, c, 12, 0, &arena);
    for (size_t i = 0; i < 12; i++) {
        ck_assert_msg(v.rows[i].pass == (i % 2 == 0), "row %zu: %.17g of %.17g", i, v.rows[i].value,
                      v.rows[i].bar);
        ck_assert_int_eq(v.rows[i].note[0] != '\0', i % 2);
        ck_assert(!v.rows[i].has_bounds);
    }
    ck_assert(!v.pass);
    ck_assert_uint_eq(v.n_failed, 6);
    ck_assert_str_eq(v.rows[0].name, "min f1");
    ck_assert_str_eq(v.rows[2].name, "max-drop f1");
    ck_assert_str_eq(v.rows[6].name, "max-size");
    ck_assert(v.has_mcnemar);
    ck_assert_uint_eq(v.mcnemar.n_flips, 2);
    ck_assert_uint_eq(v.mcnemar.n_only_base, 2);
    dsc_arena_clear(&arena);
}
END_TEST

START_TEST(a_bound_that_straddles_the_bar_fails_and_says_how_many_would_decide)
{
    const struct dsc_check c = bar(DSC_CHECK_MIN, "accuracy=0.93");
    struct dsc_arena arena;
    struct dsc_verdict v;
    struct pair x;

    dsc_arena_init(&arena);
    make_pair(&x, 200, 5, 5); /* 0.95, standard error 0.0154: the bound is about 0.925 */
    v = decide(&x, &c, 1, 0.95, &arena);
    ck_assert(!v.pass);
    ck_assert(v.rows[0].is_straddling);
    ck_assert_double_eq_tol(v.rows[0].low, 0.925, 0.0051);
    /* 200 * (1.645 * 0.0154 / 0.02)^2 = 321; one step of the bound, 0.92, makes it 450 */
    ck_assert_uint_gt(v.rows[0].n_decide, 280);
    ck_assert_uint_lt(v.rows[0].n_decide, 480);
    ck_assert_ptr_nonnull(strstr(v.rows[0].note, "not decided by 200 examples"));
    make_pair(&x, 1000, 25, 25);
    v = decide(&x, &c, 1, 0.95, &arena);
    ck_assert(v.pass);
    make_pair(&x, 1000, 50, 50);
    v = decide(&x, &c, 1, 0.95, &arena);
    ck_assert(!v.pass);
    ck_assert(!v.rows[0].is_straddling); /* it is simply too bad */
    dsc_arena_clear(&arena);
}
END_TEST

START_TEST(equal_predictions_pass_any_paired_bar_with_any_confidence)
{
    const struct dsc_check c[] = {bar(DSC_CHECK_MAX_DROP, "f1=0"),
                                  bar(DSC_CHECK_RETAIN, "f1=100%")};
    struct dsc_arena arena;
    struct dsc_verdict v;
    struct pair x;

    dsc_arena_init(&arena);
    make_pair(&x, 100, 20, 20);
    v = decide(&x, c, 2, 0.99, &arena);
    ck_assert(v.pass);
    ck_assert_double_eq(v.rows[1].low, 1);
    ck_assert_double_eq(v.mcnemar.p_exact, 1);
    dsc_arena_clear(&arena);
}
END_TEST

START_TEST(a_paired_bound_is_tighter_than_two_single_ones)
{
    const struct dsc_check c = bar(DSC_CHECK_MAX_DROP, "accuracy=0.02");
    struct dsc_arena arena;
    struct dsc_verdict v;
    struct pair x;

    dsc_arena_init(&arena);
    make_pair(&x, 1000, 102, 100); /* 4 flips; each alone has a standard error of 0.0126 */
    v = decide(&x, &c, 1, 0.95, &arena);
    ck_assert(v.pass);
    ck_assert_double_eq_tol(v.rows[0].value, 0.004, 1e-12);
    ck_assert_double_lt(v.rows[0].high, 0.009);
    dsc_arena_clear(&arena);
}
END_TEST

START_TEST(nothing_to_retain_fails_with_a_note)
{
    const struct dsc_check c = bar(DSC_CHECK_RETAIN, "f1=99%");
    struct dsc_arena arena;
    struct dsc_verdict v;
    struct pair x;

    dsc_arena_init(&arena);
    make_pair(&x, 100, 5, 50); /* the baseline has no positive right */
    v = decide(&x, &c, 1, 0.95, &arena);
    ck_assert(!v.pass);
    ck_assert(isnan(v.rows[0].value));
    ck_assert_ptr_nonnull(strstr(v.rows[0].note, "nothing to retain"));
    dsc_arena_clear(&arena);
}
END_TEST

START_TEST(checks_without_their_input_are_usage)
{
    const struct dsc_check drop = bar(DSC_CHECK_MAX_DROP, "f1=0.01");
    const struct dsc_check speed = bar(DSC_CHECK_MIN_SPEEDUP, "1.5");
    const struct dsc_check size = bar(DSC_CHECK_MAX_SIZE, "15MB");
    const struct dsc_gate_rule rule = {0}, odd = {.confidence = 0.3};
    struct dsc_gate_input in = {.size_bytes = 3};
    struct dsc_arena arena;
    struct dsc_verdict v;
    struct pair x;

    dsc_arena_init(&arena);
    make_pair(&x, 100, 5, 5);
    ck_assert_int_eq(dsc_gate_decide(&in, &size, 1, &rule, &v, &arena, NULL), DSC_OK);
    ck_assert(v.pass);
    ck_assert(!v.has_mcnemar);
    ck_assert_int_eq(dsc_gate_decide(&in, &size, 0, &rule, &v, &arena, NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_gate_decide(&in, &size, 1, &odd, &v, &arena, NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_gate_decide(&in, &speed, 1, &rule, &v, &arena, NULL), DSC_E_USAGE);
    in.candidate = &x.p;
    ck_assert_int_eq(dsc_gate_decide(&in, &drop, 1, &rule, &v, &arena, NULL), DSC_E_USAGE);
    in.baseline = &x.q;
    x.q.n = 99;
    ck_assert_int_eq(dsc_gate_decide(&in, &drop, 1, &rule, &v, &arena, NULL), DSC_E_INCONSISTENT);
    dsc_arena_clear(&arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gate");
    TCase *t = tcase_create("gate");
    SRunner *r;
    int n_failed;

    tcase_add_test(t, bars_are_read_with_their_units);
    tcase_add_test(t, bars_that_cannot_be_meant_are_refused);
    tcase_add_test(t, point_values_on_the_bar_pass_and_below_it_fail);
    tcase_add_test(t, a_bound_that_straddles_the_bar_fails_and_says_how_many_would_decide);
    tcase_add_test(t, equal_predictions_pass_any_paired_bar_with_any_confidence);
    tcase_add_test(t, a_paired_bound_is_tighter_than_two_single_ones);
    tcase_add_test(t, nothing_to_retain_fails_with_a_note);
    tcase_add_test(t, checks_without_their_input_are_usage);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
