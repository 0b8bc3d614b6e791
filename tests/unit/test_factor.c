/* A table as two factors: of a matrix whose singular values are known, the largest stay. */
#include "dsc/exec.h"
#include "dsc/pass.h"

#include <check.h>
#include <math.h>

enum { V = 40, D = 10, N_VALUES = 6, N_IDS = 5 };

static const double sizes[N_VALUES] = {6, 5, 4, 3, 2, 1};
static const int64_t wanted[N_IDS] = {0, 39, 7, 7, 21};

/* Column k of an orthonormal basis of n cosines. */
static double cosine(int n, int i, int k)
{
    return sqrt((k ? 2.0 : 1.0) / n) * cos(3.14159265358979323846 * (i + 0.5) * k / n);
}

/* The table of the first n singular values. */
static double entry(int row, int col, int n)
{
    double sum = 0;

    for (int k = 0; k < n; k++)
        sum += sizes[k] * cosine(V, row, k) * cosine(D, col, k);
    return sum;
}

static struct dsc_graph *lookup(int *ids, bool is_read_twice)
{
    const struct dsc_type type = {.dtype = DSC_I64, .rank = 1, .dim = {DSC_DIM_UNKNOWN}};
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_tensor t;
    struct dsc_node *n;
    int table, y;

    ck_assert_int_eq(dsc_graph_value(g, "ids", &type, ids, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(g, *ids, NULL), DSC_OK);
    ck_assert_int_eq(dsc_tensor_new(&t, DSC_F32, 2, (int64_t[]){V, D}, NULL), DSC_OK);
    for (int i = 0; i < V * D; i++)
        dsc_tensor_set_f64(&t, i, entry(i / D, i % D, N_VALUES));
    ck_assert_int_eq(dsc_graph_init(g, "table", &t, &table, NULL), DSC_OK);
    dsc_tensor_clear(&t);
    ck_assert_int_eq(dsc_graph_call(g, "", "Gather", "look", 2, (int[]){table, *ids}, &y, &n, NULL),
                     DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
    if (is_read_twice) {
        ck_assert_int_eq(dsc_graph_call(g, "", "Abs", "size", 1, &table, &y, &n, NULL), DSC_OK);
        ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
    }
    ck_assert_int_eq(dsc_graph_sort(g, false, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_verify(g, NULL), DSC_OK);
    return g;
}

/* Rows of the graph against the table of the first n singular values. */
static void check_rows(const struct dsc_graph *g, struct dsc_device *dev, int n)
{
    const struct dsc_run run = {.n_examples = N_IDS};
    struct dsc_tensor feed, y;
    struct dsc_session *s;

    ck_assert_int_eq(dsc_tensor_new(&feed, DSC_I64, 1, (int64_t[]){N_IDS}, NULL), DSC_OK);
    for (int i = 0; i < N_IDS; i++)
        dsc_tensor_set_i64(&feed, i, wanted[i]);
    ck_assert_int_eq(dsc_session_open(&s, g, dev, NULL), DSC_OK);
    ck_assert_int_eq(dsc_session_run(s, &run, &feed, &y, NULL), DSC_OK);
    for (int i = 0; i < N_IDS * D; i++)
        ck_assert_double_eq_tol(dsc_tensor_get_f64(&y, i), entry((int)wanted[i / D], i % D, n),
                                1e-6);
    dsc_session_close(s);
    dsc_tensor_clear(&feed);
    dsc_tensor_clear(&y);
}

START_TEST(factors_have_the_largest_singular_values)
{
    struct dsc_device *dev;
    double all = 0, part = 0;

    ck_assert_int_eq(dsc_device_open(&dev, "cpu", 2, NULL), DSC_OK);
    for (int k = 0; k < N_VALUES; k++)
        all += sizes[k] * sizes[k];
    for (int r = 1; r <= N_VALUES; r++) {
        struct dsc_err err = {0};
        double kept;
        int ids;
        struct dsc_graph *g = lookup(&ids, false);

        part += sizes[r - 1] * sizes[r - 1];
        ck_assert_msg(dsc_pass_factor_table(g, ids, r, dev, &kept, &err) == DSC_OK, "%s",
                      err.message);
        ck_assert_double_eq_tol(kept, part / all, 1e-6);
        check_rows(g, dev, r);
        dsc_graph_free(g);
    }
    dsc_device_close(dev);
}
END_TEST

static void refused(struct dsc_graph *g, int ids, int64_t rank, enum dsc_status st,
                    const char *message)
{
    struct dsc_device *dev;
    struct dsc_err err = {0};
    double kept;

    ck_assert_int_eq(dsc_device_open(&dev, "cpu", 1, NULL), DSC_OK);
    ck_assert_int_eq(dsc_pass_factor_table(g, ids, rank, dev, &kept, &err), st);
    ck_assert_str_eq(err.message, message);
    dsc_device_close(dev);
    dsc_graph_free(g);
}

START_TEST(what_has_no_factors_is_refused)
{
    int ids;
    struct dsc_graph *g = lookup(&ids, false);

    refused(g, ids, D, DSC_E_USAGE, "a table of width 10 has no factors of width 10");
    g = lookup(&ids, true);
    refused(g, ids, 3, DSC_E_UNSUPPORTED,
            "no float table is looked up by the token ids, and by them alone");
    g = lookup(&ids, false);
    refused(g, DSC_NO_VALUE, 3, DSC_E_UNSUPPORTED,
            "no float table is looked up by the token ids, and by them alone");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("factor");
    TCase *t = tcase_create("factor");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, factors_have_the_largest_singular_values);
    tcase_add_test(t, what_has_no_factors_is_refused);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
