/* Plans and sensitivity reports: what is read, and files that lie. */
#include "formats_plan.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct dsc_arena arena;
static struct dsc_layer_file file;
static struct dsc_err err;

static void set_up(void)
{
    dsc_arena_init(&arena);
}

static void tear_down(void)
{
    dsc_arena_clear(&arena);
}

static enum dsc_status read_text(const char *text, const char *schema)
{
    char path[] = "/tmp/dsc-layers-XXXXXX";
    const int fd = mkstemp(path);
    const size_t n = strlen(text);
    enum dsc_status st;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((long long)write(fd, text, n), (long long)n);
    close(fd);
    err = (struct dsc_err){0};
    st = dsc_layer_file_read(&file, path, schema, &arena, &err);
    unlink(path);
    return st;
}

#define PLAN(layers) "{\"schema\":\"dscompress.plan/1\",\"model\":\"m\",\"layers\":" layers "}"
#define REPORT(cells)                                                              \
    "{\"schema\":\"dscompress.sensitivity/1\",\"model\":\"m\",\"settings\":\"s\"," \
    "\"layers\":[{\"name\":\"a\",\"formats\":[]},{\"name\":\"b\",\"formats\":[" cells "]}]}"
#define CELL(size, db, damage, flips)                                                    \
    "{\"format\":\"w8a8\",\"size_bytes\":" size ",\"sqnr_db\":" db ",\"damage\":" damage \
    ",\"flips\":" flips ",\"logit_rmse\":0.5}"

START_TEST(plans_and_reports_are_read_whole)
{
    const struct dsc_layer_cell *c;

    ck_assert_int_eq(read_text(PLAN("[{\"name\":\"a\",\"format\":\"w8a8\"},"
                                    "{\"format\":\"float\",\"name\":\"b\",\"more\":1}]"),
                               DSC_PLAN_SCHEMA),
                     DSC_OK);
    ck_assert_int_eq(file.n_rows, 2);
    ck_assert_str_eq(file.model, "m");
    ck_assert_str_eq(file.settings, "");
    ck_assert_str_eq(file.rows[0].format, "w8a8");
    ck_assert_str_eq(file.rows[1].name, "b");
    ck_assert_str_eq(file.rows[1].format, "float");
    ck_assert_int_eq(read_text(REPORT(CELL("4096", "-3.5", "0.25", "7")), DSC_SENSITIVITY_SCHEMA),
                     DSC_OK);
    ck_assert_str_eq(file.settings, "s");
    ck_assert_int_eq(file.n_rows, 2);
    ck_assert_int_eq(file.rows[0].n_cells, 0);
    ck_assert_ptr_null(file.rows[0].format);
    ck_assert_int_eq(file.rows[1].n_cells, 1);
    c = &file.rows[1].cells[0];
    ck_assert_str_eq(c->format, "w8a8");
    ck_assert_int_eq((int)c->size_bytes, 4096);
    ck_assert_int_eq((int)c->n_flips, 7);
    ck_assert(c->sqnr_db == -3.5 && c->damage == 0.25 && c->logit_rmse == 0.5);
}
END_TEST

static const struct {
    const char *text, *schema, *message;
    enum dsc_status status;
} lies[] = {
    {"[1", DSC_PLAN_SCHEMA, "not JSON", DSC_E_MAGIC},
    {"{\"schema\":1,\"schema\":2}", DSC_PLAN_SCHEMA, "not JSON", DSC_E_MAGIC},
    {"[1]", DSC_PLAN_SCHEMA, "its schema is not dscompress.plan/1", DSC_E_SCHEMA},
    {REPORT(""), DSC_PLAN_SCHEMA, "its schema is not", DSC_E_SCHEMA},
    {PLAN("[]"), DSC_SENSITIVITY_SCHEMA, "its schema is not", DSC_E_SCHEMA},
    {"{\"schema\":\"dscompress.plan/1\",\"layers\":[]}", DSC_PLAN_SCHEMA, "'model'", DSC_E_SCHEMA},
    {PLAN("{}"), DSC_PLAN_SCHEMA, "'layers'", DSC_E_SCHEMA},
    {PLAN("[7]"), DSC_PLAN_SCHEMA, "'name'", DSC_E_SCHEMA},
    {PLAN("[{\"name\":\"a\"}]"), DSC_PLAN_SCHEMA, "'format'", DSC_E_SCHEMA},
    {PLAN("[{\"name\":\"a\\u0000b\",\"format\":\"float\"}]"), DSC_PLAN_SCHEMA, "not JSON",
     DSC_E_MAGIC},
    {PLAN("[{\"name\":\"a\",\"format\":\"float\"},{\"name\":\"b\",\"format\":\"float\"},"
          "{\"name\":\"a\",\"format\":\"w8a8\"}]"),
     DSC_PLAN_SCHEMA, "layer 'a' stands twice", DSC_E_DUP},
    {REPORT("7"), DSC_SENSITIVITY_SCHEMA, "'format'", DSC_E_SCHEMA},
    {REPORT(CELL("-1", "1", "0", "0")), DSC_SENSITIVITY_SCHEMA, "'size_bytes'", DSC_E_SCHEMA},
    {REPORT(CELL("1e16", "1", "0", "0")), DSC_SENSITIVITY_SCHEMA, "'size_bytes'", DSC_E_SCHEMA},
    {REPORT(CELL("1", "\"1\"", "0", "0")), DSC_SENSITIVITY_SCHEMA, "'sqnr_db'", DSC_E_SCHEMA},
    {REPORT(CELL("1", "1", "-0.1", "0")), DSC_SENSITIVITY_SCHEMA, "'damage'", DSC_E_SCHEMA},
    {REPORT(CELL("1", "1", "0", "-2")), DSC_SENSITIVITY_SCHEMA, "'flips'", DSC_E_SCHEMA},
};

START_TEST(files_that_lie_are_refused_with_what_is_wrong)
{
    ck_assert_int_eq(read_text(lies[_i].text, lies[_i].schema), lies[_i].status);
    ck_assert_msg(strstr(err.message, lies[_i].message) != NULL, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.file, "dsc-layers-"));
}
END_TEST

/* Every name is compared with every other: that must not take the square of them. */
START_TEST(a_plan_of_very_many_layers_is_read_in_a_moment)
{
    enum { N = 200000 };
    const size_t n_max = 64 * (size_t)N;
    char *text = malloc(n_max);
    size_t n = 0;

    ck_assert_ptr_nonnull(text);
    n += (size_t)snprintf(text, n_max, "{\"schema\":\"%s\",\"model\":\"m\",\"layers\":[",
                          DSC_PLAN_SCHEMA);
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, n_max - n, "%s{\"name\":\"layer%d\",\"format\":\"float\"}",
                              i ? "," : "", i);
    snprintf(text + n, n_max - n, "]}");
    ck_assert_int_eq(read_text(text, DSC_PLAN_SCHEMA), DSC_OK);
    ck_assert_int_eq(file.n_rows, N);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("layer_file");
    TCase *t = tcase_create("layer_file");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, plans_and_reports_are_read_whole);
    tcase_add_loop_test(t, files_that_lie_are_refused_with_what_is_wrong, 0,
                        (int)(sizeof lies / sizeof lies[0]));
    tcase_add_test(t, a_plan_of_very_many_layers_is_read_in_a_moment);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
