/* formats/data: rows of a table as sequences, against windows written by hand. */
#include "formats_data.h"
#include "formats_table.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In the file the rows are in no order; card b has two rows, a has three. */
static const char cards[] = "card,when,amount,kind,label\n"
                            "a,2024-01-01 00:01:00,20,y,1\n"
                            "b,2024-01-01 12:00:00,5,x,0\n"
                            "a,2024-01-01 00:00:00,10,x,0\n"
                            "b,2024-01-02T06:00:00Z,6,z,1\n"
                            "a,2024-01-01 18:00,30,y,0\n";

struct fixture {
    struct dsc_arena arena;
    struct dsc_table table;
    struct dsc_dataset set;
    struct dsc_data_spec spec;
    struct dsc_err err;
    enum dsc_status status;
    char path[64];
};

static void begin(struct fixture *f, const char *text)
{
    static const char *const features[] = {"amount=number", "when=time", "kind=category"};
    static const char *const sequence[] = {"key=card", "order=when", "steps=2"};
    FILE *file;

    *f = (struct fixture){0};
    dsc_arena_init(&f->arena);
    ck_assert_int_eq(dsc_table_parse(&f->table, features, 3, sequence, 3, &f->arena, &f->err),
                     DSC_OK);
    snprintf(f->path, sizeof f->path, "tabular-%d.csv", (int)getpid());
    file = fopen(f->path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    f->spec.table = &f->table;
}

static void read_set(struct fixture *f)
{
    f->status = dsc_data_read(&f->set, f->path, &f->spec, &f->arena, &f->err);
}

static void end(struct fixture *f)
{
    dsc_dataset_close(&f->set);
    dsc_arena_clear(&f->arena);
    unlink(f->path);
}

static const struct dsc_row_input inputs[] = {
    {"numbers", {DSC_F32, 3, {DSC_DIM_UNKNOWN, 2, 4}}, false},
    {"kind", {DSC_I32, 2, {DSC_DIM_UNKNOWN, 2}}, false},
    {"lengths", {DSC_I32, 1, {DSC_DIM_UNKNOWN}}, false}};

static void read_arrays(struct fixture *f)
{
    static const char *const values[] = {"x", "y"};

    f->table.columns[2].values = values;
    f->table.columns[2].n_values = 2;
    f->spec.inputs = inputs;
    f->spec.n_inputs = 3;
    read_set(f);
    ck_assert_msg(f->status == DSC_OK, "%s", f->err.message);
}

START_TEST(rows_come_in_order_with_those_before_them)
{
    /* rows 2, 0, 1, 4, 3 of the file are in the order of time */
    static const int64_t rows[] = {2, 0, 1, 4, 3};
    static const int32_t labels[] = {0, 1, 0, 0, 1}, lengths[] = {1, 2, 1, 2, 2};
    static const float amounts[][2] = {{10, 0}, {10, 20}, {5, 0}, {20, 30}, {5, 6}};
    static const int32_t kinds[][2] = {{1, 0}, {1, 2}, {1, 0}, {2, 2}, {1, 0}};
    struct fixture f;

    begin(&f, cards);
    read_arrays(&f);
    ck_assert_uint_eq(f.set.n, 5);
    for (int i = 0; i < 5; i++) {
        const int64_t at = f.set.row[i];
        const float *x = (const float *)f.set.arrays[0].data + at * 2 * 4;

        ck_assert_int_eq(at, rows[i]);
        ck_assert_int_eq(f.set.label[i], labels[i]);
        ck_assert_int_eq(((const int32_t *)f.set.arrays[2].data)[at], lengths[i]);
        for (int s = 0; s < 2; s++) {
            ck_assert_float_eq(x[s * 4], amounts[i][s]);
            ck_assert_int_eq(((const int32_t *)f.set.arrays[1].data)[at * 2 + s], kinds[i][s]);
        }
    }
    end(&f);
}
END_TEST

START_TEST(times_are_what_has_passed_and_the_time_of_day)
{
    struct fixture f;
    const float *x;

    begin(&f, cards);
    read_arrays(&f);
    x = (const float *)f.set.arrays[0].data + 4 * 2 * 4; /* a at 18:00, behind 0:01 */
    ck_assert_float_eq_tol(x[4 + 1], logf(1 + 18 * 3600 - 60), 1e-5f);
    ck_assert_float_eq_tol(x[4 + 2], -1.0f, 1e-6f);
    ck_assert_float_eq_tol(x[4 + 3], 0.0f, 1e-6f);
    ck_assert_float_eq_tol(x[0 + 1], logf(61), 1e-6f);
    x = (const float *)f.set.arrays[0].data + 3 * 2 * 4; /* b, 18 hours later */
    ck_assert_float_eq_tol(x[4 + 1], logf(1 + 18 * 3600), 1e-5f);
    ck_assert_float_eq(x[0 + 1], 0);
    end(&f);
}
END_TEST

START_TEST(what_is_learned_is_of_the_first_rows_alone)
{
    struct fixture f;
    struct dsc_table_facts facts = {0};

    begin(&f, cards);
    facts.table = &f.table;
    f.spec.learn = &facts;
    f.spec.split = (struct dsc_split){60, 20, 20}; /* amounts 10, 20, 5 of kinds x, y, x */
    f.spec.part = DSC_PART_TRAIN;
    read_set(&f);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_uint_eq(f.set.n, 3);
    ck_assert_int_eq(facts.n_channels, 4);
    ck_assert_float_eq_tol(facts.mean[0], 35.0f / 3, 1e-5f);
    ck_assert_float_eq_tol(1 / facts.scale[0], 6.2360956f, 1e-5f); /* numpy.std */
    ck_assert_uint_eq(f.table.columns[2].n_values, 2);
    ck_assert_str_eq(f.table.columns[2].values[1], "y");
    end(&f);
}
END_TEST

START_TEST(columns_survive_the_metadata)
{
    static const char *const values[] = {"x", "y"};
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_table back;
    struct fixture f;
    bool has;

    begin(&f, cards);
    f.table.columns[2].values = values;
    f.table.columns[2].n_values = 2;
    ck_assert_int_eq(dsc_table_store(g, &f.table, &f.err), DSC_OK);
    ck_assert_int_eq(dsc_table_of(g, &f.arena, &back, &has, &f.err), DSC_OK);
    ck_assert(has);
    ck_assert_str_eq(back.key, "card");
    ck_assert_str_eq(back.order, "when");
    ck_assert_int_eq(back.n_steps, 2);
    ck_assert_uint_eq(back.n_columns, 3);
    ck_assert_int_eq(back.columns[1].kind, DSC_FEATURE_TIME);
    ck_assert_str_eq(back.columns[2].values[0], "x");
    dsc_graph_free(g);
    end(&f);
}
END_TEST

START_TEST(metadata_of_another_form_are_refused)
{
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"columns\":[],\"steps\":1,\"label\":\"l\"}",
        "{\"columns\":[{\"name\":\"a\",\"kind\":\"money\"}],\"steps\":1,\"label\":\"l\"}",
        "{\"columns\":[{\"name\":\"a\",\"kind\":\"number\"}],\"steps\":0,\"label\":\"l\"}",
        "{\"columns\":[{\"name\":\"a\",\"kind\":\"number\"}],\"steps\":1}",
        ("{\"columns\":[{\"name\":\"a\",\"kind\":\"number\"},{\"name\":\"b\",\"kind\":\"category\","
         "\"values\":[\"y\",\"x\"]}],\"steps\":1,\"label\":\"l\"}")};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct dsc_graph *g = dsc_graph_new(NULL);
        struct dsc_arena arena;
        struct dsc_err err = {0};
        struct dsc_table t;
        bool has;

        dsc_arena_init(&arena);
        ck_assert_int_eq(dsc_graph_set_prop(g, "dscompress.table", texts[i], NULL), DSC_OK);
        ck_assert_msg(dsc_table_of(g, &arena, &t, &has, &err) == DSC_E_SCHEMA, "%s", texts[i]);
        dsc_arena_clear(&arena);
        dsc_graph_free(g);
    }
}
END_TEST

START_TEST(a_cell_that_is_no_number_is_named)
{
    struct fixture f;

    begin(&f, "card,when,amount,kind,label\na,2024-01-01,1,x,0\na,2024-01-02,1e999,x,1\n");
    f.spec.inputs = inputs;
    f.spec.n_inputs = 3;
    read_set(&f);
    ck_assert_int_eq(f.status, DSC_E_SCHEMA);
    ck_assert_ptr_nonnull(strstr(f.err.message, "'amount' is '1e999'"));
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tabular");
    TCase *t = tcase_create("tabular");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, rows_come_in_order_with_those_before_them);
    tcase_add_test(t, times_are_what_has_passed_and_the_time_of_day);
    tcase_add_test(t, what_is_learned_is_of_the_first_rows_alone);
    tcase_add_test(t, columns_survive_the_metadata);
    tcase_add_test(t, metadata_of_another_form_are_refused);
    tcase_add_test(t, a_cell_that_is_no_number_is_named);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
