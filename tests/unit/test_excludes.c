/* calib/: the layers that must stay float, found in few trials. */
#include "calib.h"
#include "dsc/rng.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

enum { N_MOST = 12 };

/* Passes when what is not left out damages by at most `bar`, or when all culprits are out. */
struct table {
    int n;
    double damage[64], bar;
    bool is_culprit[64];
    int n_trials, fails_at;
};

static enum dsc_status try_it(void *ctx, const bool *is_out, bool *passes, struct dsc_err *err)
{
    struct table *t = ctx;
    double left = 0;

    *passes = true;
    for (int i = 0; i < t->n; i++) {
        left += is_out[i] ? 0 : t->damage[i];
        *passes &= is_out[i] || !t->is_culprit[i];
    }
    *passes &= left <= t->bar;
    if (++t->n_trials == t->fails_at)
        return dsc_fail(err, DSC_E_IO, "no more");
    return DSC_OK;
}

static bool passes(struct table *t, unsigned set)
{
    bool is_out[64], answer;
    struct table copy = *t;

    for (int i = 0; i < t->n; i++)
        is_out[i] = set >> i & 1;
    copy.fails_at = 0;
    ck_assert_int_eq(try_it(&copy, is_out, &answer, NULL), DSC_OK);
    return answer;
}

/* Over all sets; -1: none passes. */
static int smallest(struct table *t)
{
    int best = -1;

    for (unsigned set = 0; set < 1u << t->n; set++) {
        const int size = __builtin_popcount(set);

        if ((best < 0 || size < best) && passes(t, set))
            best = size;
    }
    return best;
}

static void sort_by_damage(const struct table *t, int *order)
{
    for (int i = 0; i < t->n; i++) {
        int k = i;

        for (; k > 0 && t->damage[order[k - 1]] < t->damage[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

static unsigned find(struct table *t, const int *order, struct dsc_excludes *found)
{
    bool is_out[64];
    struct dsc_err err = {0};
    unsigned set = 0;
    int n = 0;

    t->n_trials = 0;
    ck_assert_int_eq(dsc_find_excludes(t->n, order, try_it, t, is_out, found, &err), DSC_OK);
    for (int i = 0; i < t->n; i++) {
        set |= (unsigned)is_out[i] << i;
        n += is_out[i];
    }
    ck_assert_int_eq(found->n_trials, t->n_trials);
    ck_assert_int_eq(found->n_out, n);
    return set;
}

static void random_table(struct table *t, struct dsc_rng *r)
{
    double sum = 0;

    *t = (struct table){.n = 1 + (int)dsc_rng_below(r, N_MOST)};
    for (int i = 0; i < t->n; i++)
        sum += t->damage[i] = (double)dsc_rng_uniform(r) * (double)dsc_rng_uniform(r);
    t->bar = sum * (double)dsc_rng_uniform(r);
}

START_TEST(damages_that_add_up_give_a_smallest_set)
{
    struct dsc_rng r;

    dsc_rng_init(&r, dsc_rng_key(5));
    for (int i = 0; i < 300; i++) {
        struct dsc_excludes found;
        struct table t;
        int order[64];

        random_table(&t, &r);
        sort_by_damage(&t, order);
        ck_assert(passes(&t, find(&t, order, &found)));
        ck_assert(found.passes);
        ck_assert_int_eq(found.n_out, smallest(&t));
    }
}
END_TEST

/* The order knows nothing of who must go: each is found all the same. */
START_TEST(culprits_are_found_wherever_they_stand)
{
    struct dsc_rng r;

    dsc_rng_init(&r, dsc_rng_key(6));
    for (int i = 0; i < 300; i++) {
        struct table t = {.n = 1 + (int)dsc_rng_below(&r, N_MOST)};
        struct dsc_excludes found;
        int order[64];
        unsigned want = 0;

        for (int k = 0; k < t.n; k++) {
            t.is_culprit[k] = dsc_rng_below(&r, 4) == 0;
            want |= (unsigned)t.is_culprit[k] << k;
            t.damage[k] = (double)dsc_rng_uniform(&r);
        }
        sort_by_damage(&t, order);
        t.bar = 1e9;
        ck_assert_uint_eq(find(&t, order, &found), want);
    }
}
END_TEST

START_TEST(no_item_of_a_set_can_be_spared)
{
    struct dsc_rng r;

    dsc_rng_init(&r, dsc_rng_key(7));
    for (int i = 0; i < 300; i++) {
        struct dsc_excludes found;
        struct table t;
        int order[64];
        unsigned set;

        random_table(&t, &r);
        for (int k = 0; k < t.n; k++) { /* an order that is of no use */
            order[k] = k;
            t.is_culprit[k] = dsc_rng_below(&r, 5) == 0;
        }
        set = find(&t, order, &found);
        ck_assert(passes(&t, set));
        for (int k = 0; k < t.n; k++)
            ck_assert(!(set >> k & 1) || !passes(&t, set & ~(1u << k)));
    }
}
END_TEST

/* 2 (k + 1) (log2 n + 1) + 2 bounds doubling and bisection. */
START_TEST(trials_are_k_log_n)
{
    for (int k = 0; k <= 4; k++) {
        struct table t = {.n = 30, .bar = 1e9};
        struct dsc_excludes found;
        int order[64];

        for (int i = 0; i < t.n; i++)
            order[i] = i;
        for (int i = 0; i < k; i++)
            t.is_culprit[28 - 7 * i] = true;
        find(&t, order, &found);
        ck_assert_int_eq(found.n_out, k);
        ck_assert_int_le(found.n_trials, 2 * k * 5 + 2);
    }
}
END_TEST

START_TEST(bars_that_nothing_clears_are_said_to_be)
{
    struct table t = {.n = 9, .bar = -1};
    const int order[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    struct dsc_excludes found;

    find(&t, order, &found);
    ck_assert(!found.passes);
    ck_assert_int_eq(found.n_trials, 2);
    t.n = 0;
    find(&t, order, &found);
    ck_assert(!found.passes);
}
END_TEST

START_TEST(a_trial_that_fails_ends_the_search)
{
    struct table t = {.n = 9, .bar = 1e9, .is_culprit = {[4] = true}, .fails_at = 4};
    const int order[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    struct dsc_excludes found;
    struct dsc_err err = {0};
    bool is_out[9];

    ck_assert_int_eq(dsc_find_excludes(t.n, order, try_it, &t, is_out, &found, &err), DSC_E_IO);
    ck_assert_int_eq(t.n_trials, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("excludes");
    TCase *t = tcase_create("excludes");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, damages_that_add_up_give_a_smallest_set);
    tcase_add_test(t, culprits_are_found_wherever_they_stand);
    tcase_add_test(t, no_item_of_a_set_can_be_spared);
    tcase_add_test(t, trials_are_k_log_n);
    tcase_add_test(t, bars_that_nothing_clears_are_said_to_be);
    tcase_add_test(t, a_trial_that_fails_ends_the_search);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
