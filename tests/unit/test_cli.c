/* cli/: options, JSON, tables, progress, and the gate's reports. */
#include "cmd.h"
#include "gate_report.h"
#include "layers.h"
#include "observe.h"
#include "progress.h"
#include "table.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct dsc_arena arena;
static const volatile sig_atomic_t no_stop;

static void set_up(void)
{
    dsc_arena_init(&arena);
}

static void tear_down(void)
{
    dsc_arena_clear(&arena);
}

/* A command as main would make it, with `words` as its line. */
static enum dsc_status parse(struct dsc_cmd *cmd, char **words, int n, struct dsc_err *err)
{
    *cmd = (struct dsc_cmd){.arena = &arena, .stop = &no_stop, .out = stdout};
    *err = (struct dsc_err){0};
    return dsc_opt_parse(cmd, n, words, err);
}

static char *text_of(struct dsc_json *j)
{
    dsc_bytes_add(&j->text, "", 1);
    return (char *)j->text.data;
}

START_TEST(json_escapes_text_and_replaces_what_is_not_utf8)
{
    struct dsc_json j = {0};

    dsc_json_object(&j, NULL);
    dsc_json_text(&j, "a\"b", "\\ \"\n\t\x01\x7F \xC3\xA9 \xF0\x9F\x98\x80");
    dsc_json_text(&j, "bad", "x\xFFy\xC0\xAFz\xED\xA0\x80\xE2\x82");
    dsc_json_text(&j, "none", NULL);
    dsc_json_end(&j);
    ck_assert_str_eq(text_of(&j), "{\"a\\\"b\":\"\\\\ \\\"\\n\\t\\u0001\\u007f \xC3\xA9 "
                                  "\xF0\x9F\x98\x80\",\"bad\":\"x\xEF\xBF\xBDy\xEF\xBF\xBD"
                                  "\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                                  "\xEF\xBF\xBD\xEF\xBF\xBD\",\"none\":null}");
    dsc_json_clear(&j);
}
END_TEST

START_TEST(json_numbers_read_back_equal_and_are_short)
{
    static const double values[] = {0.1, 1.0 / 3, 1e300, 5e-324, -0.0, 123456789012345680.0, 1.5};
    char text[32];

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        dsc_json_number(text, values[i]);
        ck_assert(strtod(text, NULL) == values[i]);
    }
    dsc_json_number(text, 0.1);
    ck_assert_str_eq(text, "0.1");
    dsc_json_number(text, NAN);
    ck_assert_str_eq(text, "null");
    dsc_json_number(text, -INFINITY);
    ck_assert_str_eq(text, "null");
}
END_TEST

START_TEST(nested_json_is_read_by_another_parser)
{
    struct dsc_json j = {0};
    json_t *root;

    dsc_json_object(&j, NULL);
    dsc_json_array(&j, "a");
    for (int i = 0; i < 3; i++) {
        dsc_json_object(&j, NULL);
        dsc_json_int(&j, "i", INT64_MIN + i);
        dsc_json_array(&j, "empty");
        dsc_json_end(&j);
        dsc_json_end(&j);
    }
    dsc_json_end(&j);
    dsc_json_bool(&j, "b", true);
    dsc_json_end(&j);
    root = json_loads(text_of(&j), JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "a")), 3);
    json_decref(root);
    dsc_json_clear(&j);
}
END_TEST

START_TEST(the_nearest_word_is_near)
{
    static const char *const words[] = {"epochs", "eval", "encoding-errors", "batch"};

    ck_assert_str_eq(dsc_nearest("epoch", words, 4), "epochs");
    ck_assert_str_eq(dsc_nearest("epcohs", words, 4), "epochs");
    ck_assert_str_eq(dsc_nearest("encoding_errors", words, 4), "encoding-errors");
    ck_assert_ptr_null(dsc_nearest("qqqqqq", words, 4));
    ck_assert_ptr_null(dsc_nearest("", words, 0));
}
END_TEST

START_TEST(options_may_stand_anywhere_and_the_last_one_counts)
{
    char *line[] = {"dscompress", "-j", "3", "--quiet", "doctor", "--threads=5", "--", NULL};
    struct dsc_cmd cmd;
    struct dsc_err err;

    ck_assert_int_eq(parse(&cmd, line, 7, &err), DSC_OK);
    ck_assert_str_eq(cmd.row->name, "doctor");
    ck_assert_int_eq(dsc_opt_int(&cmd, DSC_OPT_threads), 5);
    ck_assert(dsc_opt_flag(&cmd, DSC_OPT_quiet));
    ck_assert(!dsc_opt_is_set(&cmd, DSC_OPT_json));
    ck_assert_int_eq(dsc_cmd_check_used(&cmd, &err), DSC_OK);
}
END_TEST

START_TEST(parsing_survives_the_failure_of_every_allocation)
{
    char *line[] = {"dscompress", "tokenize", "m", "--columns", "a=b", "--limit", "5", NULL};
    struct dsc_cmd cmd;
    struct dsc_err err;
    enum dsc_status st = DSC_E_MEMORY;
    int n_failed = 0;

    for (long k = 1; st != DSC_OK; k++, n_failed++) {
        dsc_arena_clear(&arena);
        dsc_heap_fail_at(k);
        st = parse(&cmd, line, 7, &err);
        dsc_heap_fail_at(0);
        ck_assert(st == DSC_OK || st == DSC_E_MEMORY);
        ck_assert_int_lt(k, 1000);
    }
    ck_assert_int_gt(n_failed, 1);
}
END_TEST

START_TEST(json_survives_the_failure_of_every_allocation)
{
    struct dsc_json j = {0};
    bool is_failed = true;

    for (long k = 1; is_failed; k++) {
        dsc_json_clear(&j);
        dsc_heap_fail_at(k);
        dsc_json_object(&j, NULL);
        for (int i = 0; i < 1000; i++)
            dsc_json_text(&j, "key", "a text of some length");
        dsc_json_end(&j);
        dsc_heap_fail_at(0);
        is_failed = j.text.is_failed;
        ck_assert_int_lt(k, 1000);
    }
    dsc_json_clear(&j);
}
END_TEST

START_TEST(an_option_that_nothing_reads_is_refused)
{
    char *line[] = {"dscompress", "doctor", "-j", "3", NULL};
    struct dsc_cmd cmd;
    struct dsc_err err;

    ck_assert_int_eq(parse(&cmd, line, 4, &err), DSC_OK);
    ck_assert_int_eq(dsc_cmd_check_used(&cmd, &err), DSC_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "--threads"));
}
END_TEST

START_TEST(every_default_is_a_value_that_its_option_takes)
{
    struct dsc_cmd cmd = {.arena = &arena};

    for (int i = 0; i < DSC_OPT_COUNT; i++) {
        const struct dsc_opt_row *row = &dsc_opt_rows[i];
        const enum dsc_opt_id id = (enum dsc_opt_id)i;

        ck_assert_msg(row->help[0] && row->verbs[0], "%s", row->name);
        ck_assert_msg((row->kind == DSC_OPTKIND_FLAG) == (row->value[0] == 0), "%s", row->name);
        if (!row->dflt[0])
            continue;
        if (row->kind == DSC_OPTKIND_ENUM)
            ck_assert_msg(dsc_opt_enum(&cmd, id) >= 0, "%s", row->name);
        if (row->kind == DSC_OPTKIND_FLOAT)
            ck_assert_msg(isfinite(dsc_opt_float(&cmd, id)), "%s", row->name);
    }
}
END_TEST

START_TEST(a_pair_is_split_at_the_first_equals_sign)
{
    const char *value;
    char key[8];

    ck_assert(dsc_opt_pair("f1=0.9=x", key, sizeof key, &value));
    ck_assert_str_eq(key, "f1");
    ck_assert_str_eq(value, "0.9=x");
    ck_assert(!dsc_opt_pair("f1", key, sizeof key, &value));
    ck_assert(!dsc_opt_pair("=1", key, sizeof key, &value));
    ck_assert(!dsc_opt_pair("too-long-a-key=1", key, sizeof key, &value));
}
END_TEST

/* What `fill` prints to a file, as a string of the arena. */
static char *printed(void (*fill)(FILE *f))
{
    char *text = dsc_arena_alloc(&arena, 4096, 1, NULL);
    FILE *f = tmpfile();

    ck_assert_ptr_nonnull(f);
    fill(f);
    rewind(f);
    text[fread(text, 1, 4095, f)] = 0;
    fclose(f);
    return text;
}

static void fill_table(FILE *f)
{
    struct dsc_table t;

    dsc_table_init(&t, &arena, "name,>n");
    for (int i = 0; i < 2; i++) {
        dsc_table_cell(&t, "%s", i ? "\xC3\xA9t\xC3\xA9" : "a");
        dsc_table_cell(&t, "%d", i ? 7 : 12345);
    }
    ck_assert_int_eq(dsc_table_print(&t, f, NULL), DSC_OK);
}

START_TEST(tables_align_text_left_and_numbers_right)
{
    ck_assert_str_eq(printed(fill_table), "name      n\n"
                                          "a     12345\n"
                                          "\xC3\xA9t\xC3\xA9       7\n");
}
END_TEST

static void fill_progress(FILE *f)
{
    char *line[] = {"dscompress", "doctor", "--progress", "json", NULL};
    const struct dsc_progress_field loss = {"loss", 0.5};
    struct dsc_progress p;
    struct dsc_cmd cmd;
    struct dsc_err err;

    ck_assert_int_eq(parse(&cmd, line, 4, &err), DSC_OK);
    cmd.term_err.f = f;
    dsc_progress_begin(&cmd, &p, "train", "steps", 0, 10);
    dsc_progress_update(&p, 1, &loss, 1);
    dsc_progress_update(&p, 2, &loss, 1); /* within the same second: not drawn */
    dsc_progress_update(&p, 10, &loss, 1);
    dsc_progress_end(&cmd);
    ck_assert_ptr_null(cmd.progress);
}

START_TEST(progress_in_json_is_a_line_a_second_and_the_last)
{
    char *text = printed(fill_progress);
    char *second = strchr(text, '\n') + 1;

    ck_assert_ptr_nonnull(strstr(text, "{\"progress\":\"train\",\"done\":1,\"total\":10,"));
    ck_assert_ptr_nonnull(strstr(second, "\"done\":10,"));
    ck_assert_ptr_nonnull(strstr(second, "\"loss\":0.5}"));
    ck_assert_ptr_null(strstr(text, "\"done\":2,"));
}
END_TEST

static struct dsc_verdict verdict(void)
{
    static const struct dsc_check checks[] = {{.kind = DSC_CHECK_MAX_DROP, .bar = 0.01},
                                              {.kind = DSC_CHECK_MAX_SIZE, .bar = 15e6}};
    static struct dsc_gate_row rows[] = {
        {.name = "max-drop f1",
         .check = &checks[0],
         .bar = 0.01,
         .value = 0.02,
         .candidate = 0.93,
         .baseline = 0.95,
         .has_bounds = true,
         .low = -0.01,
         .high = 0.05,
         .is_straddling = true,
         .n_decide = 4000,
         .note = "the bounds straddle <the bar>"},
        {.name = "max-size",
         .check = &checks[1],
         .bar = 15e6,
         .value = 14e6,
         .candidate = 14e6,
         .baseline = NAN,
         .pass = true},
    };

    return (struct dsc_verdict){.n_rows = 2,
                                .rows = rows,
                                .n_failed = 1,
                                .n_examples = 1000,
                                .has_mcnemar = true,
                                .mcnemar = {.n_only_base = 9, .n_only_cand = 4, .p_exact = 0.27}};
}

static void fill_gate(FILE *f)
{
    struct dsc_cmd cmd = {.arena = &arena, .out = f};
    const struct dsc_verdict v = verdict();

    ck_assert_int_eq(dsc_gate_print(&cmd, &v, NULL), DSC_OK);
}

START_TEST(the_gate_prints_a_table_and_its_verdict)
{
    const char *text = printed(fill_gate);

    ck_assert_ptr_nonnull(strstr(text, "<= 0.01000  FAIL"));
    ck_assert_ptr_nonnull(strstr(text, "14.000 MB"));
    ck_assert_ptr_nonnull(strstr(text, "about 4000 examples would decide"));
    ck_assert_ptr_nonnull(strstr(text, "gate: FAIL, 1 of 2 checks failed, 1000 examples"));
}
END_TEST

START_TEST(the_gate_reports_in_json)
{
    struct dsc_json j = {0};
    const struct dsc_verdict v = verdict();
    json_t *root, *row;

    dsc_json_object(&j, NULL);
    dsc_gate_json(&j, &v);
    dsc_json_end(&j);
    root = json_loads(text_of(&j), JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert(json_is_false(json_object_get(root, "pass")));
    row = json_array_get(json_object_get(root, "checks"), 0);
    ck_assert(json_real_value(json_object_get(row, "bar")) == 0.01);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "n_decide")), 4000);
    row = json_array_get(json_object_get(root, "checks"), 1);
    ck_assert(json_is_null(json_object_get(row, "baseline")));
    json_decref(root);
    dsc_json_clear(&j);
}
END_TEST

static void fill_github(FILE *f)
{
    const struct dsc_verdict v = verdict();

    dsc_gate_github(f, &v, "a:b,100%");
}

START_TEST(github_annotations_are_one_escaped_line_each)
{
    const char *text = printed(fill_github);

    ck_assert_ptr_nonnull(strstr(text, "::error title=gate a%3Ab%2C100%25::max-drop f1: 0.02000, "
                                       "must be <= 0.01000, bounds -0.01000 .. 0.05000; the "));
    ck_assert_ptr_nonnull(
        strstr(text, "\n::notice title=gate a%3Ab%2C100%25::max-size: 14.000 MB"));
}
END_TEST

START_TEST(junit_xml_is_escaped_and_not_replaced_without_force)
{
    const struct dsc_verdict v = verdict();
    char path[] = "/tmp/test-cli-XXXXXX", text[4096];
    FILE *f = fdopen(mkstemp(path), "r");
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_gate_junit(&v, "m\"<\x01", path, false, &err), DSC_E_EXISTS);
    err = (struct dsc_err){0};
    ck_assert_int_eq(dsc_gate_junit(&v, "m\"<\x01", path, true, &err), DSC_OK);
    fclose(f);
    f = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    remove(path);
    ck_assert_ptr_nonnull(strstr(text, "tests=\"2\" failures=\"1\""));
    ck_assert_ptr_nonnull(strstr(text, "classname=\"m&#34;&#60;?\" name=\"max-drop f1\""));
    ck_assert_ptr_nonnull(strstr(text, "straddle &#60;the bar&#62;"));
}
END_TEST

START_TEST(the_bars_of_a_gate_come_from_its_options)
{
    struct dsc_cmd cmd = {.arena = &arena};
    struct dsc_err err = {0};
    const char *drops[] = {"f1=0.01", "accuracy=0.02"};
    const char *size[] = {"15MB"};
    struct dsc_check *checks;
    size_t n;

    ck_assert_int_eq(dsc_gate_checks(&cmd, &checks, &n, &err), DSC_E_USAGE);
    err = (struct dsc_err){0};
    cmd.opts.v[DSC_OPT_max_drop] = (struct dsc_opt_value){.items = drops, .n_items = 2};
    cmd.opts.v[DSC_OPT_max_size] = (struct dsc_opt_value){.items = size, .n_items = 1};
    ck_assert_int_eq(dsc_gate_checks(&cmd, &checks, &n, &err), DSC_OK);
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(checks[1].kind, DSC_CHECK_MAX_DROP);
    ck_assert_str_eq(checks[1].metric->name, "accuracy");
    ck_assert(checks[2].bar == 15e6);
    drops[0] = "f2=0.1";
    ck_assert_int_eq(dsc_gate_checks(&cmd, &checks, &n, &err), DSC_E_USAGE);
    ck_assert_str_eq(err.where, "--max-drop");
}
END_TEST

START_TEST(ratios_of_power_have_two_ends)
{
    const float none[] = {0, 0}, some[] = {1, -2}, more[] = {1.1f, -2.2f};
    struct dsc_power same = {0}, of_nothing = {0}, near = {0};

    dsc_power_add(&same, some, some, 2);
    dsc_power_add(&of_nothing, some, none, 2);
    dsc_power_add(&near, more, some, 2);
    ck_assert_double_eq(dsc_power_db(&same), 200);
    ck_assert_double_eq(dsc_power_db(&of_nothing), -200); /* all of it is error */
    ck_assert_double_eq_tol(dsc_power_db(&near), 20, 1e-4);
}
END_TEST

/* The values that count of 0 1 2 .. in a tensor of that shape. */
static void values_are(int rank, const int64_t *dim, const char *want)
{
    static const int64_t mask_dim[] = {2, 3}, is_token[] = {1, 1, 0, 1, 0, 0};
    struct dsc_tensor mask, t;
    struct dsc_kept kept = {0};
    struct dsc_err err = {0};
    const float *x;
    char got[200] = "";
    int64_t n;

    ck_assert_int_eq(dsc_tensor_wrap(&mask, DSC_I64, 2, mask_dim, is_token, NULL, &err), DSC_OK);
    ck_assert_int_eq(dsc_tensor_new(&t, DSC_F32, rank, dim, &err), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_f64(&t, i, (double)i);
    ck_assert_int_eq(dsc_observe_values(&kept, &mask, &t, &x, &n, &err), DSC_OK);
    for (int64_t i = 0; i < n; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%g ", (double)x[i]);
    ck_assert_str_eq(got, want);
    dsc_heap_free(kept.data);
    dsc_tensor_clear(&t);
    dsc_tensor_clear(&mask);
}

START_TEST(padding_is_no_value)
{
    values_are(3, (int64_t[]){2, 3, 2}, "0 1 2 3 6 7 ");
    values_are(2, (int64_t[]){6, 1}, "0 1 3 ");
    values_are(4, (int64_t[]){2, 2, 3, 1}, "0 1 3 4 6 9 ");
    values_are(2, (int64_t[]){2, 4}, "0 1 2 3 4 5 6 7 "); /* pooled: not by token */
    values_are(1, (int64_t[]){0}, "");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli");
    TCase *t = tcase_create("cli");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    suite_add_tcase(s, t);
    tcase_add_test(t, json_escapes_text_and_replaces_what_is_not_utf8);
    tcase_add_test(t, json_numbers_read_back_equal_and_are_short);
    tcase_add_test(t, nested_json_is_read_by_another_parser);
    tcase_add_test(t, the_nearest_word_is_near);
    tcase_add_test(t, options_may_stand_anywhere_and_the_last_one_counts);
    tcase_add_test(t, parsing_survives_the_failure_of_every_allocation);
    tcase_add_test(t, json_survives_the_failure_of_every_allocation);
    tcase_add_test(t, an_option_that_nothing_reads_is_refused);
    tcase_add_test(t, every_default_is_a_value_that_its_option_takes);
    tcase_add_test(t, a_pair_is_split_at_the_first_equals_sign);
    tcase_add_test(t, tables_align_text_left_and_numbers_right);
    tcase_add_test(t, progress_in_json_is_a_line_a_second_and_the_last);
    tcase_add_test(t, the_gate_prints_a_table_and_its_verdict);
    tcase_add_test(t, the_gate_reports_in_json);
    tcase_add_test(t, github_annotations_are_one_escaped_line_each);
    tcase_add_test(t, junit_xml_is_escaped_and_not_replaced_without_force);
    tcase_add_test(t, the_bars_of_a_gate_come_from_its_options);
    tcase_add_test(t, ratios_of_power_have_two_ends);
    tcase_add_test(t, padding_is_no_value);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
