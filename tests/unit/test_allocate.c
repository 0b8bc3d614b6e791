/* calib/: formats of layers under a budget, against all choices there are. */
#include "calib.h"
#include "dsc/rng.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { LAYERS = 7, FORMATS = 3 };

struct table {
    int n;
    struct dsc_alloc_option option[LAYERS][FORMATS];
};

/* Format 0 costs nothing; others are smaller, some not open, some of no use. */
static void random_table(struct table *t, struct dsc_rng *r)
{
    *t = (struct table){.n = 1 + (int)dsc_rng_below(r, LAYERS)};
    for (int i = 0; i < t->n; i++) {
        t->option[i][0] = (struct dsc_alloc_option){true, 100 + dsc_rng_below(r, 900), 0};
        for (int f = 1; f < FORMATS; f++)
            t->option[i][f] =
                (struct dsc_alloc_option){dsc_rng_below(r, 4) > 0, 1 + dsc_rng_below(r, 500),
                                          (double)dsc_rng_below(r, 9) / 8}; /* some are equal */
    }
}

static uint64_t cost(const struct table *t, const int *format_of, double *damage, bool *is_open)
{
    uint64_t bytes = 10;

    *damage = 0;
    *is_open = true;
    for (int i = 0; i < t->n; i++) {
        bytes += t->option[i][format_of[i]].bytes;
        *damage += t->option[i][format_of[i]].damage;
        *is_open &= t->option[i][format_of[i]].is_open;
    }
    return bytes;
}

/* The least damage within the budget over all choices; infinite: none. */
static double least(const struct table *t, uint64_t budget)
{
    double best = INFINITY;
    int n_all = 1;

    for (int i = 0; i < t->n; i++)
        n_all *= FORMATS;
    for (int k = 0; k < n_all; k++) {
        int format_of[LAYERS], left = k;
        double damage;
        bool is_open;

        for (int i = 0; i < t->n; i++, left /= FORMATS)
            format_of[i] = left % FORMATS;
        if (cost(t, format_of, &damage, &is_open) <= budget && is_open)
            best = fmin(best, damage);
    }
    return best;
}

static void allocate(const struct table *t, struct dsc_front *front, struct dsc_arena *arena)
{
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_allocate(t->option[0], t->n, FORMATS, 10, front, arena, &err), DSC_OK);
}

START_TEST(no_choice_within_a_budget_is_better)
{
    struct dsc_rng r;

    dsc_rng_init(&r, dsc_rng_key(8));
    for (int k = 0; k < 200; k++) {
        struct dsc_front front;
        struct dsc_arena arena;
        struct table t;

        random_table(&t, &r);
        dsc_arena_init(&arena);
        allocate(&t, &front, &arena);
        for (int i = 1; i < front.n_points; i++)
            ck_assert(front.points[i].bytes > front.points[i - 1].bytes &&
                      front.points[i].damage < front.points[i - 1].damage);
        for (uint64_t budget = 0; budget < 6000; budget += 1 + dsc_rng_below(&r, 900)) {
            const int at = dsc_front_within(&front, budget);
            int format_of[LAYERS];
            double damage;
            bool is_open;

            ck_assert_int_eq(at < 0, isinf(least(&t, budget)));
            if (at < 0)
                continue;
            dsc_front_choice(&front, at, format_of);
            ck_assert_uint_eq(cost(&t, format_of, &damage, &is_open), front.points[at].bytes);
            ck_assert(is_open);
            ck_assert_double_eq_tol(damage, least(&t, budget), 1e-12);
            ck_assert_double_eq_tol(front.points[at].damage, damage, 1e-12);
        }
        dsc_arena_clear(&arena);
    }
}
END_TEST

START_TEST(a_table_with_more_in_it_is_never_worse)
{
    struct dsc_rng r;

    dsc_rng_init(&r, dsc_rng_key(9));
    for (int k = 0; k < 100; k++) {
        struct dsc_front less, more;
        struct dsc_arena arena;
        struct table t;

        random_table(&t, &r);
        dsc_arena_init(&arena);
        allocate(&t, &less, &arena);
        for (int i = 0; i < t.n; i++)
            for (int f = 0; f < FORMATS; f++)
                t.option[i][f].is_open = true;
        allocate(&t, &more, &arena);
        for (int i = 0; i < less.n_points; i++) {
            const int at = dsc_front_within(&more, less.points[i].bytes);

            ck_assert(at >= 0 && more.points[at].damage <= less.points[i].damage + 1e-12);
        }
        dsc_arena_clear(&arena);
    }
}
END_TEST

/* Damage in proportion to bytes: all 2^24 choices are on the front; it stays bounded and sound. */
START_TEST(a_front_of_too_many_points_is_thinned)
{
    struct dsc_alloc_option table[24][2];
    struct dsc_front front;
    struct dsc_arena arena;
    struct dsc_err err = {0};
    struct dsc_rng r;
    uint64_t smallest = 0, largest = 0;

    dsc_rng_init(&r, dsc_rng_key(10));
    for (int i = 0; i < 24; i++) {
        const uint64_t bytes = 1000000 + dsc_rng_below(&r, 4000000);

        table[i][0] = (struct dsc_alloc_option){true, 4 * bytes, 0};
        table[i][1] = (struct dsc_alloc_option){true, bytes, (double)bytes / 1e6};
        smallest += bytes;
        largest += 4 * bytes;
    }
    dsc_arena_init(&arena);
    ck_assert_int_eq(dsc_allocate(table[0], 24, 2, 0, &front, &arena, &err), DSC_OK);
    ck_assert_int_le(front.n_points, 16384);
    ck_assert_int_gt(front.n_points, 4000);
    ck_assert_uint_eq(front.points[0].bytes, smallest);
    ck_assert_uint_eq(front.points[front.n_points - 1].bytes, largest);
    ck_assert(front.points[front.n_points - 1].damage == 0);
    for (int i = 1; i < front.n_points; i++)
        ck_assert(front.points[i].bytes > front.points[i - 1].bytes &&
                  front.points[i].damage < front.points[i - 1].damage);
    dsc_arena_clear(&arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("allocate");
    TCase *t = tcase_create("allocate");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, no_choice_within_a_budget_is_better);
    tcase_add_test(t, a_table_with_more_in_it_is_never_worse);
    tcase_add_test(t, a_front_of_too_many_points_is_thinned);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
