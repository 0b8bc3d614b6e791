/* formats/data: rows of text with labels. */
#include "formats_data.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A data set read from bytes in a temporary file. */
struct fixture {
    struct dsc_arena arena;
    struct dsc_dataset set;
    struct dsc_err err;
    enum dsc_status status;
    char path[64];
};

static void read_bytes(struct fixture *f, const char *extension, const char *bytes, size_t n_bytes,
                       struct dsc_data_spec spec)
{
    int fd;
    FILE *out;

    *f = (struct fixture){0};
    dsc_arena_init(&f->arena);
    snprintf(f->path, sizeof f->path, "/tmp/dsc-data-XXXXXX.%s", extension);
    fd = mkstemps(f->path, (int)strlen(extension) + 1);
    ck_assert_int_ge(fd, 0);
    out = fdopen(fd, "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(bytes, 1, n_bytes, out), n_bytes);
    ck_assert_int_eq(fclose(out), 0);
    f->status = dsc_data_read(&f->set, f->path, &spec, &f->arena, &f->err);
    unlink(f->path);
}

static void read_text(struct fixture *f, const char *extension, const char *text,
                      struct dsc_data_spec spec)
{
    read_bytes(f, extension, text, strlen(text), spec);
}

static void drop(struct fixture *f)
{
    dsc_dataset_close(&f->set);
    dsc_arena_clear(&f->arena);
}

static void assert_text(const struct dsc_text *t, const char *want)
{
    ck_assert_uint_eq(t->n_bytes, strlen(want));
    ck_assert_mem_eq(t->data, want, t->n_bytes);
}

static const struct dsc_data_spec plain;

START_TEST(a_tsv_gives_texts_and_sorted_class_names)
{
    struct fixture f;

    read_text(&f, "tsv", "label\ttext\nspam\tbuy \"now\nham\thi, you\r\n\nspam\tlast", plain);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_uint_eq(f.set.n, 3);
    assert_text(&f.set.text[0], "buy \"now");
    assert_text(&f.set.text[1], "hi, you");
    assert_text(&f.set.text[2], "last");
    ck_assert_int_eq(f.set.target, DSC_TARGET_CLASS);
    ck_assert_uint_eq(f.set.n_labels, 2);
    ck_assert_str_eq(f.set.label_names[0], "ham");
    ck_assert_int_eq(f.set.label[0], 1);
    ck_assert_int_eq(f.set.label[1], 0);
    ck_assert_uint_eq(f.set.report.n_blank, 1);
    ck_assert_int_eq(f.set.row[2], 2);
    ck_assert_ptr_null(f.set.text_b);
    drop(&f);
}
END_TEST

START_TEST(csv_quotes_hold_commas_line_ends_and_doubled_quotes)
{
    struct fixture f;

    read_text(&f, "csv",
              "id,review,fraud\r\n1,\"a, \"\"b\"\"\r\nc\",0\r\n2,5\" tall,1\r\n3,\"\",0\r\n",
              (struct dsc_data_spec){.columns = "text=review,label=fraud"});
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_uint_eq(f.set.n, 3);
    assert_text(&f.set.text[0], "a, \"b\"\r\nc");
    assert_text(&f.set.text[1], "5\" tall");
    assert_text(&f.set.text[2], "");
    ck_assert_uint_eq(f.set.report.n_empty_texts, 1);
    ck_assert_int_eq(f.set.label[1], 1);
    drop(&f);
}
END_TEST

START_TEST(json_lines_give_pairs_escapes_and_nul)
{
    static const char lines[] =
        "{\"text\":\"caf\\u00e9 \\\"x\\\"\",\"text_b\":\"b\",\"label\":true}\n"
        "\n{\"label\":false,\"text_b\":\"\",\"text\":\"a\\u0000b\",\"z\":[1]}";
    struct fixture f;

    read_text(&f, "jsonl", lines, plain);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    assert_text(&f.set.text[0], "caf\xC3\xA9 \"x\"");
    assert_text(&f.set.text_b[0], "b");
    ck_assert_uint_eq(f.set.text[1].n_bytes, 3);
    ck_assert_mem_eq(f.set.text[1].data, "a\0b", 3);
    ck_assert_str_eq(f.set.label_names[0], "false");
    drop(&f);
}
END_TEST

START_TEST(whole_numbers_are_classes_in_numeric_order)
{
    struct fixture f;

    read_text(&f, "tsv", "text\tlabel\na\t10\nb\t9\nc\t-1\n", plain);
    ck_assert_int_eq(f.status, DSC_OK);
    ck_assert_str_eq(f.set.label_names[0], "-1");
    ck_assert_str_eq(f.set.label_names[1], "9");
    ck_assert_str_eq(f.set.label_names[2], "10");
    ck_assert_int_eq(f.set.label[0], 2);
    drop(&f);
}
END_TEST

START_TEST(a_fraction_makes_the_column_a_value)
{
    struct fixture f;

    read_text(&f, "jsonl", "{\"text\":\"a\",\"label\":1.0}\n{\"text\":\"b\",\"label\":-2}\n",
              plain);
    ck_assert_int_eq(f.status, DSC_OK);
    ck_assert_int_eq(f.set.target, DSC_TARGET_VALUE);
    ck_assert_double_eq(f.set.value[0], 1.0);
    ck_assert_double_eq(f.set.value[1], -2.0);
    drop(&f);
    read_text(&f, "tsv", "text\tlabel\na\t0.5\nb\tnan\n", plain);
    ck_assert_int_eq(f.status, DSC_E_NONFINITE);
    ck_assert_str_eq(f.err.where, "row 2, line 3, byte 17");
    drop(&f);
    read_text(&f, "tsv", "text\tlabel\na\t007\nb\t1\n", plain);
    ck_assert_int_eq(f.set.target, DSC_TARGET_CLASS); /* codes are names */
    drop(&f);
}
END_TEST

START_TEST(a_missing_column_lists_those_that_are_there)
{
    struct fixture f;

    read_text(&f, "csv", "review,fraud\nx,1\n",
              (struct dsc_data_spec){.columns = "text=review,label=lbl"});
    ck_assert_int_eq(f.status, DSC_E_SCHEMA);
    ck_assert_str_eq(f.err.message, "no column 'lbl'; there are: 'review', 'fraud'");
    drop(&f);
    read_text(&f, "csv", "text\nx\n", plain); /* nobody needs labels */
    ck_assert_int_eq(f.status, DSC_OK);
    ck_assert_int_eq(f.set.target, DSC_TARGET_NONE);
    drop(&f);
    read_text(&f, "csv", "text\nx\n", (struct dsc_data_spec){.needs_label = true});
    ck_assert_int_eq(f.status, DSC_E_SCHEMA);
    drop(&f);
    read_text(&f, "jsonl", "{\"text\":\"a\",\"lable\":1}\n",
              (struct dsc_data_spec){.needs_label = true});
    ck_assert_int_eq(f.status, DSC_E_SCHEMA);
    ck_assert_ptr_nonnull(strstr(f.err.message, "lable"));
    drop(&f);
    read_text(&f, "csv", "text,text,label\nx,y,1\n", plain);
    ck_assert_int_eq(f.status, DSC_E_DUP);
    drop(&f);
    read_text(&f, "csv", "text,label\nx,1\n", (struct dsc_data_spec){.columns = "texts=a"});
    ck_assert_int_eq(f.status, DSC_E_USAGE);
    drop(&f);
}
END_TEST

START_TEST(bad_utf8_is_named_by_row_and_byte_or_replaced)
{
    static const char bytes[] = "text\tlabel\nok\t1\nx\xFFy\xE2\x82z\t0\n";
    struct fixture f;

    read_bytes(&f, "tsv", bytes, sizeof bytes - 1, plain);
    ck_assert_int_eq(f.status, DSC_E_ENCODING);
    ck_assert_str_eq(f.err.where, "row 2, line 3, byte 17");
    drop(&f);
    read_bytes(&f, "tsv", bytes, sizeof bytes - 1,
               (struct dsc_data_spec){.encoding_errors = DSC_ENCODING_REPLACE});
    ck_assert_int_eq(f.status, DSC_OK);
    assert_text(&f.set.text[1], "x\xEF\xBF\xBDy\xEF\xBF\xBDz");
    ck_assert_uint_eq(f.set.report.n_replaced, 2);
    drop(&f);
    read_bytes(&f, "csv", "\xFF\xFEt\0e\0", 6, plain);
    ck_assert_int_eq(f.status, DSC_E_ENCODING);
    drop(&f);
}
END_TEST

START_TEST(twenty_bad_rows_are_told_in_one_error)
{
    char text[4096] = "text\tlabel\n";
    struct fixture f;

    for (int i = 0; i < 25; i++)
        strcat(text, "a\tb\tc\n");
    read_text(&f, "tsv", text, plain);
    ck_assert_int_eq(f.status, DSC_E_SCHEMA);
    ck_assert_ptr_nonnull(strstr(f.err.message, "25 bad rows: row 1 (line 2, byte 11): 3 fields"));
    ck_assert_ptr_nonnull(strstr(f.err.message, "row 20 (line 21"));
    ck_assert_ptr_null(strstr(f.err.message, "row 21 "));
    ck_assert_ptr_nonnull(strstr(f.err.message, "; and 5 more"));
    drop(&f);
}
END_TEST

START_TEST(a_label_outside_the_given_map_is_range)
{
    static const char *const map[] = {"spam", "ham"};
    static const char *const placeholders[] = {"LABEL_0", "LABEL_1"};
    struct fixture f;

    read_text(&f, "csv", "text,label\na,ham\nb,spam\n",
              (struct dsc_data_spec){.labels = map, .n_labels = 2});
    ck_assert_int_eq(f.status, DSC_OK);
    ck_assert_int_eq(f.set.label[0], 1);
    ck_assert_str_eq(f.set.label_names[0], "spam");
    drop(&f);
    read_text(&f, "csv", "text,label\na,ham\nb,eggs\n",
              (struct dsc_data_spec){.labels = map, .n_labels = 2});
    ck_assert_int_eq(f.status, DSC_E_RANGE);
    ck_assert_str_eq(f.err.message, "label 'eggs' is not in the label map");
    ck_assert_str_eq(f.err.hint, "the label map is: spam, ham");
    ck_assert_str_eq(f.err.where, "row 2, line 3, byte 17");
    drop(&f);
    read_text(&f, "csv", "text,label\na,1\nb,2\n",
              (struct dsc_data_spec){.labels = placeholders, .n_labels = 2});
    ck_assert_int_eq(f.status, DSC_E_RANGE);
    ck_assert_str_eq(f.err.message, "label '2' is not in the label map");
    drop(&f);
}
END_TEST

START_TEST(empty_data_is_empty)
{
    struct fixture f;

    read_text(&f, "csv", "", plain);
    ck_assert_int_eq(f.status, DSC_E_EMPTY);
    drop(&f);
    read_text(&f, "tsv", "text\tlabel\n", plain);
    ck_assert_int_eq(f.status, DSC_E_EMPTY);
    drop(&f);
    read_text(&f, "jsonl", "\n\n", plain);
    ck_assert_int_eq(f.status, DSC_E_EMPTY);
    drop(&f);
}
END_TEST

START_TEST(broken_rows_have_their_classes)
{
    struct fixture f;

    read_text(&f, "csv", "text,label\n\"a,1\nb,2\n", plain);
    ck_assert_int_eq(f.status, DSC_E_TRUNC);
    ck_assert_str_eq(f.err.where, "line 2, byte 11");
    drop(&f);
    read_text(&f, "csv", "text,label\n\"a\"b,1\n", plain);
    ck_assert_int_eq(f.status, DSC_E_SCHEMA);
    drop(&f);
    read_text(&f, "csv", "text,label\na,\n", plain);
    ck_assert_str_eq(f.err.message, "the label is empty");
    drop(&f);
    read_text(&f, "jsonl", "{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":1,\"label\":null}\nnope\n",
              plain);
    ck_assert_int_eq(f.status, DSC_E_SCHEMA);
    ck_assert_ptr_nonnull(strstr(f.err.message, "2 bad rows: row 2 (line 2"));
    drop(&f);
    read_text(&f, "xlsx", "text,label\na,1\n", plain);
    ck_assert_int_eq(f.status, DSC_E_UNSUPPORTED);
    drop(&f);
}
END_TEST

START_TEST(a_split_keeps_the_first_of_duplicates_and_its_parts_add_up)
{
    static const char text[] = "text\tlabel\na\t1\nb\t0\na\t0\nc\t1\nb\t0\nd\t1\ne\t0\n";
    struct dsc_data_spec spec = {0};
    struct fixture f;
    size_t n = 0;

    ck_assert_int_eq(dsc_split_parse("70/10/20", &spec.split, NULL), DSC_OK);
    for (int part = DSC_PART_TRAIN; part <= DSC_PART_TEST; part++) {
        spec.part = (enum dsc_part)part;
        read_text(&f, "tsv", text, spec);
        ck_assert(f.status == DSC_OK || f.status == DSC_E_EMPTY);
        ck_assert_uint_eq(f.set.report.n_duplicates, 2);
        ck_assert_uint_eq(f.set.report.n_conflicts, 1);
        if (f.status == DSC_OK) {
            ck_assert_uint_eq(f.set.n_labels, 2);
            n += f.set.n;
            for (size_t i = 0; i < f.set.n; i++)
                ck_assert_int_ne(f.set.row[i], 2);
        }
        drop(&f);
    }
    ck_assert_uint_eq(n, 5);
}
END_TEST

START_TEST(labels_of_a_model_without_names_are_numbers_of_its_classes)
{
    struct fixture f;

    read_text(&f, "tsv", "text\tlabel\na\t2\nb\t1\n", (struct dsc_data_spec){.n_classes = 3});
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_uint_eq(f.set.n_labels, 3);
    ck_assert_int_eq(f.set.label[0], 2);
    ck_assert_int_eq(f.set.label[1], 1);
    drop(&f);
    read_text(&f, "tsv", "text\tlabel\na\tspam\nb\tham\n", (struct dsc_data_spec){.n_classes = 2});
    ck_assert_int_eq(f.status, DSC_OK);
    ck_assert_int_eq(f.set.label[0], 1);
    drop(&f);
    read_text(&f, "tsv", "text\tlabel\na\tspam\nb\tham\n", (struct dsc_data_spec){.n_classes = 3});
    ck_assert_int_eq(f.status, DSC_E_INCONSISTENT);
    drop(&f);
}
END_TEST

START_TEST(a_split_is_three_percentages)
{
    struct dsc_split s;
    enum dsc_part p;

    ck_assert_int_eq(dsc_split_parse("70/20/20", &s, NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_split_parse("70/10/20x", &s, NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_split_parse("110/-20/10", &s, NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_split_parse("100/0/0", &s, NULL), DSC_OK);
    ck_assert_int_eq(dsc_part_parse("dev", &p, NULL), DSC_OK);
    ck_assert_int_eq(p, DSC_PART_DEV);
    ck_assert_int_eq(dsc_part_parse("valid", &p, NULL), DSC_E_USAGE);
}
END_TEST

static json_t *golden(const char *key)
{
    const char *dir = getenv("GOLDEN");
    char path[4096];
    json_error_t e;
    json_t *j, *part;

    snprintf(path, sizeof path, "%s/data/data.json", dir ? dir : "tests/golden");
    j = json_load_file(path, JSON_ALLOW_NUL, &e);
    ck_assert_msg(j != NULL, "%s: %s", path, e.text);
    part = json_incref(json_object_get(j, key));
    json_decref(j);
    ck_assert_uint_gt(json_array_size(part), 0);
    return part;
}

START_TEST(the_part_of_a_text_is_what_python_says)
{
    static const char *const names[] = {"all", "train", "dev", "test"};
    json_t *g = golden("split"), *c;
    struct dsc_split split;
    size_t i, n_of[4] = {0};

    ck_assert_int_eq(dsc_split_parse("70/10/20", &split, NULL), DSC_OK);
    json_array_foreach(g, i, c)
    {
        const json_t *t = json_object_get(c, "text");
        const enum dsc_part p = dsc_split_part(&split, json_string_value(t), json_string_length(t));

        ck_assert_str_eq(names[p], json_string_value(json_object_get(c, "part")));
        n_of[p]++;
    }
    ck_assert(n_of[1] && n_of[2] && n_of[3]);
    json_decref(g);
}
END_TEST

static size_t from_hex(const char *hex, char *bytes)
{
    const size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        const char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        bytes[i] = (char)strtoul(two, NULL, 16);
    }
    return n;
}

START_TEST(broken_bytes_are_replaced_as_python_does)
{
    json_t *g = golden("decode"), *c;
    size_t i;

    json_array_foreach(g, i, c)
    {
        char file[256] = "text\tx\n", want[256];
        const size_t n = 7 + from_hex(json_string_value(json_array_get(c, 0)), file + 7);
        const size_t n_want = from_hex(json_string_value(json_array_get(c, 1)), want);
        const bool is_valid = n - 7 == n_want && memcmp(file + 7, want, n_want) == 0;
        struct fixture f;

        memcpy(file + n, "\t\n", 2);
        read_bytes(&f, "tsv", file, n + 2,
                   (struct dsc_data_spec){.encoding_errors = DSC_ENCODING_REPLACE});
        ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
        ck_assert_uint_eq(f.set.text[0].n_bytes, n_want);
        ck_assert_mem_eq(f.set.text[0].data, want, n_want);
        drop(&f);
        read_bytes(&f, "tsv", file, n + 2, plain);
        ck_assert_int_eq(f.status, is_valid ? DSC_OK : DSC_E_ENCODING);
        drop(&f);
    }
    json_decref(g);
}
END_TEST

START_TEST(csv_files_written_by_python_read_back)
{
    json_t *g = golden("csv"), *c, *t;
    size_t i, k;

    json_array_foreach(g, i, c)
    {
        const json_t *file = json_object_get(c, "file");
        struct fixture f;

        read_bytes(&f, "csv", json_string_value(file), json_string_length(file), plain);
        ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
        ck_assert_uint_eq(f.set.n, json_array_size(json_object_get(c, "text")));
        json_array_foreach(json_object_get(c, "text"), k, t)
        {
            ck_assert_uint_eq(f.set.text[k].n_bytes, json_string_length(t));
            ck_assert_mem_eq(f.set.text[k].data, json_string_value(t), json_string_length(t));
        }
        json_array_foreach(json_object_get(c, "label"), k, t)
            ck_assert_str_eq(f.set.label_names[f.set.label[k]], json_string_value(t));
        drop(&f);
    }
    json_decref(g);
}
END_TEST

START_TEST(stdin_is_read_in_whatever_format_it_has)
{
    static const char *const inputs[][2] = {
        {"csv", "text,label\na,1\n"},
        {"tsv", "text\tlabel\na, b\t1\n"},
        {"jsonl", "\xEF\xBB\xBF{\"text\":\"a\",\"label\":1}\n"},
    };

    for (int i = 0; i < 3; i++) {
        struct dsc_arena arena;
        struct dsc_dataset d;
        struct dsc_err err = {0};
        int pipe_fd[2];

        dsc_arena_init(&arena);
        ck_assert_int_eq(pipe(pipe_fd), 0);
        ck_assert_int_eq(dup2(pipe_fd[0], STDIN_FILENO), STDIN_FILENO);
        ck_assert_int_gt((int)write(pipe_fd[1], inputs[i][1], strlen(inputs[i][1])), 0);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
        ck_assert_msg(dsc_data_read(&d, "-", &plain, &arena, &err) == DSC_OK, "%s", err.message);
        ck_assert_str_eq(d.report.format, inputs[i][0]);
        ck_assert_uint_eq(d.n, 1);
        ck_assert_str_eq(d.label_names[0], "1");
        dsc_dataset_close(&d);
        dsc_arena_clear(&arena);
    }
}
END_TEST

START_TEST(spread_rows_are_evenly_spaced_and_keep_their_labels)
{
    struct fixture f;

    read_text(&f, "tsv", "text\ttext_b\tlabel\na\tA\t0\nb\tB\t1\nc\tC\t0\nd\tD\t1\ne\tE\t1", plain);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_int_eq(dsc_dataset_spread(&f.set, 9, &f.arena, &f.err), DSC_OK);
    ck_assert_uint_eq(f.set.n, 5);
    ck_assert_int_eq(dsc_dataset_spread(&f.set, 3, &f.arena, &f.err), DSC_OK);
    ck_assert_uint_eq(f.set.n, 3);
    assert_text(&f.set.text[1], "b");
    assert_text(&f.set.text_b[2], "D");
    ck_assert_int_eq(f.set.label[0], 0);
    ck_assert_int_eq(f.set.label[1], 1);
    ck_assert_int_eq(f.set.label[2], 1);
    ck_assert_int_eq((int)f.set.row[2], 3);
    ck_assert_uint_eq(f.set.report.n_rows, 5);
    drop(&f);
}
END_TEST

START_TEST(spread_rows_keep_their_values)
{
    struct fixture f;

    read_text(&f, "tsv", "text\tlabel\na\t0.5\nb\t1.5\nc\t2.5\nd\t3.5\ne\t4.5", plain);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_int_eq(dsc_dataset_spread(&f.set, 2, &f.arena, &f.err), DSC_OK);
    ck_assert_double_eq(f.set.value[0], 0.5);
    ck_assert_double_eq(f.set.value[1], 2.5);
    assert_text(&f.set.text[1], "c");
    drop(&f);
}
END_TEST

START_TEST(a_failed_allocation_is_an_error_and_leaks_nothing)
{
    static const char text[] =
        "{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\"b\",\"label\":\"y\"}\n";
    char path[] = "/tmp/dsc-data-XXXXXX.jsonl";
    const int fd = mkstemps(path, 6);
    int n_failed = 0;

    ck_assert_int_eq((int)write(fd, text, sizeof text - 1), (int)sizeof text - 1);
    close(fd);
    for (long k = 1; k < 100; k++) {
        const struct dsc_data_spec spec = {.split = {100, 0, 0}, .part = DSC_PART_TRAIN};
        struct dsc_dataset d;
        struct dsc_arena arena;
        struct dsc_err err = {0};
        enum dsc_status s;

        dsc_arena_init(&arena);
        dsc_heap_fail_at(k);
        s = dsc_data_read(&d, path, &spec, &arena, &err);
        dsc_heap_fail_at(0);
        ck_assert(s == DSC_OK || s == DSC_E_MEMORY);
        n_failed += s != DSC_OK;
        dsc_dataset_close(&d);
        dsc_arena_clear(&arena);
    }
    ck_assert_int_gt(n_failed, 5);
    ck_assert_int_lt(n_failed, 90);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("data");
    TCase *t = tcase_create("rows");
    SRunner *r;
    int n_failed;

    tcase_add_test(t, a_tsv_gives_texts_and_sorted_class_names);
    tcase_add_test(t, csv_quotes_hold_commas_line_ends_and_doubled_quotes);
    tcase_add_test(t, json_lines_give_pairs_escapes_and_nul);
    tcase_add_test(t, whole_numbers_are_classes_in_numeric_order);
    tcase_add_test(t, a_fraction_makes_the_column_a_value);
    tcase_add_test(t, a_missing_column_lists_those_that_are_there);
    tcase_add_test(t, bad_utf8_is_named_by_row_and_byte_or_replaced);
    tcase_add_test(t, twenty_bad_rows_are_told_in_one_error);
    tcase_add_test(t, a_label_outside_the_given_map_is_range);
    tcase_add_test(t, empty_data_is_empty);
    tcase_add_test(t, broken_rows_have_their_classes);
    tcase_add_test(t, a_split_keeps_the_first_of_duplicates_and_its_parts_add_up);
    tcase_add_test(t, labels_of_a_model_without_names_are_numbers_of_its_classes);
    tcase_add_test(t, a_split_is_three_percentages);
    tcase_add_test(t, the_part_of_a_text_is_what_python_says);
    tcase_add_test(t, broken_bytes_are_replaced_as_python_does);
    tcase_add_test(t, csv_files_written_by_python_read_back);
    tcase_add_test(t, stdin_is_read_in_whatever_format_it_has);
    tcase_add_test(t, spread_rows_are_evenly_spaced_and_keep_their_labels);
    tcase_add_test(t, spread_rows_keep_their_values);
    tcase_add_test(t, a_failed_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
