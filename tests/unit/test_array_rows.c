/* formats/data: rows of arrays from .npz files. */
#include "formats_data.h"
#include "formats_npz.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANY = DSC_DIM_UNKNOWN };

/* What the models of these tests take: x f32[rows,3], and perhaps kind i64[rows]. */
static const struct dsc_row_input takes_x[] = {{"x", {DSC_F32, 2, {ANY, 3}}, false}};
static const struct dsc_row_input takes_both[] = {{"x", {DSC_F32, 2, {ANY, 3}}, false},
                                                  {"kind", {DSC_I64, 1, {ANY}}, false}};
static const struct dsc_data_spec of_x = {.inputs = takes_x, .n_inputs = 1};

struct fixture {
    struct dsc_arena arena;
    struct dsc_bundle arrays; /* that are written */
    struct dsc_dataset set;
    struct dsc_err err;
    enum dsc_status status;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    dsc_arena_init(&f->arena);
    dsc_bundle_init(&f->arrays);
}

static void drop(struct fixture *f)
{
    dsc_dataset_close(&f->set);
    dsc_bundle_clear(&f->arrays);
    dsc_arena_clear(&f->arena);
}

static void put(struct fixture *f, const char *name, enum dsc_dtype dtype, int rank,
                const int64_t *dim, const double *values)
{
    struct dsc_tensor t;

    ck_assert_int_eq(dsc_tensor_new(&t, dtype, rank, dim, NULL), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_f64(&t, i, values[i]);
    ck_assert_int_eq(dsc_bundle_add(&f->arrays, name, &t, NULL), DSC_OK);
    dsc_tensor_clear(&t);
}

static void put_x(struct fixture *f, int64_t n, const double *values)
{
    put(f, "x", DSC_F32, 2, (int64_t[]){n, 3}, values);
}

static void put_labels(struct fixture *f, enum dsc_dtype dtype, int64_t n, const double *values)
{
    put(f, "label", dtype, 1, &n, values);
}

static void read_file(struct fixture *f, const char *path, struct dsc_data_spec spec)
{
    f->status = dsc_data_read(&f->set, path, &spec, &f->arena, &f->err);
}

static void read_back(struct fixture *f, struct dsc_data_spec spec)
{
    char path[] = "/tmp/dsc-rows-XXXXXX.npz";
    const int fd = mkstemps(path, 4);

    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(dsc_npz_write(path, &f->arrays, true, &f->err), DSC_OK);
    read_file(f, path, spec);
    unlink(path);
}

static const double count[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

static const char *golden(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/%s", getenv("GOLDEN"), name);
    return path;
}

START_TEST(arrays_are_rows_and_whole_labels_classes)
{
    struct fixture f;
    float seven;

    begin(&f);
    put_x(&f, 4, count);
    put_labels(&f, DSC_I64, 4, (double[]){0, 2, 1, 2});
    read_back(&f, of_x);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_str_eq(f.set.report.format, "npz");
    ck_assert_uint_eq(f.set.n, 4);
    ck_assert_ptr_null(f.set.text);
    ck_assert_int_eq(f.set.target, DSC_TARGET_CLASS);
    ck_assert_uint_eq(f.set.n_labels, 3);
    ck_assert_str_eq(f.set.label_names[2], "2");
    ck_assert_int_eq(f.set.label[1], 2);
    ck_assert_int_eq(f.set.row[3], 3);
    memcpy(&seven, (const char *)f.set.arrays[0].data + 7 * 4, sizeof seven);
    ck_assert_float_eq(seven, 7);
    drop(&f);
}
END_TEST

START_TEST(labels_with_fractions_are_values)
{
    struct fixture f;

    begin(&f);
    put_x(&f, 2, count);
    put(&f, "label", DSC_F64, 2, (int64_t[]){2, 1}, (double[]){0.5, -3});
    read_back(&f, of_x);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_int_eq(f.set.target, DSC_TARGET_VALUE);
    ck_assert_double_eq(f.set.value[1], -3);
    drop(&f);
}
END_TEST

START_TEST(whole_labels_are_values_where_that_is_asked_for)
{
    struct dsc_data_spec spec = of_x;
    struct fixture f;

    spec.target = DSC_TARGET_VALUE;
    begin(&f);
    put_x(&f, 2, count);
    put_labels(&f, DSC_U8, 2, (double[]){70, 200});
    read_back(&f, spec);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_double_eq(f.set.value[1], 200);
    drop(&f);
}
END_TEST

/* Classes of a map: by their names where these are numbers, else by their places. */
START_TEST(numbers_stand_for_names_of_the_map)
{
    const char *const words[] = {"ham", "spam"}, *const numbers[] = {"7", "3"};
    struct dsc_data_spec spec = of_x;

    for (int i = 0; i < 2; i++) {
        struct fixture f;

        begin(&f);
        spec.labels = i ? numbers : words;
        spec.n_labels = 2;
        put_x(&f, 2, count);
        put_labels(&f, DSC_I32, 2, i ? (double[]){3, 7} : (double[]){1, 0});
        read_back(&f, spec);
        ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
        ck_assert_int_eq(f.set.label[0], 1);
        ck_assert_int_eq(f.set.label[1], 0);
        ck_assert_str_eq(f.set.label_names[1], spec.labels[1]);
        drop(&f);
    }
}
END_TEST

START_TEST(columns_name_other_arrays)
{
    struct dsc_data_spec spec = of_x;
    struct fixture f;

    spec.columns = "label=y,x=features";
    begin(&f);
    put(&f, "features", DSC_F32, 2, (int64_t[]){2, 3}, count);
    put(&f, "y", DSC_BOOL, 1, (int64_t[]){2}, (double[]){1, 0});
    read_back(&f, spec);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_int_eq(f.set.label[0], 1);
    ck_assert_uint_eq(f.set.n_labels, 2);
    drop(&f);
}
END_TEST

static void assert_fault(const struct fixture *f, enum dsc_status s, const char *message)
{
    ck_assert_msg(f->status == s, "%s: %s", dsc_status_class(f->status), f->err.message);
    ck_assert_msg(strstr(f->err.message, message) != NULL, "'%s' is not in '%s'", message,
                  f->err.message);
    ck_assert_msg(strstr(f->err.file, "/tmp/dsc-rows-") != NULL, "no file: '%s'", f->err.file);
}

START_TEST(every_fault_names_the_array)
{
    struct dsc_data_spec both = of_x, needs_label = of_x;
    struct fixture f;

    both.inputs = takes_both;
    both.n_inputs = 2;
    needs_label.needs_label = true;
    begin(&f);
    put_x(&f, 4, count);
    read_back(&f, both);
    assert_fault(&f, DSC_E_SCHEMA, "no array 'kind'; there are: x");
    drop(&f);

    begin(&f);
    put_x(&f, 4, count);
    read_back(&f, needs_label);
    assert_fault(&f, DSC_E_SCHEMA, "no array 'label'");
    drop(&f);

    begin(&f);
    put_x(&f, 4, count);
    put(&f, "kind", DSC_I64, 1, (int64_t[]){3}, count);
    read_back(&f, both);
    assert_fault(&f, DSC_E_INCONSISTENT, "array 'kind' has 3 rows, 'x' has 4");
    drop(&f);

    begin(&f);
    put_x(&f, 4, count);
    put_labels(&f, DSC_I64, 5, count);
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_INCONSISTENT, "array 'label' has 5 rows");
    drop(&f);

    begin(&f);
    put(&f, "x", DSC_F64, 2, (int64_t[]){4, 3}, count);
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_TYPE, "array 'x' is f64[4,3], the input 'x' takes f32[rows,3]");
    drop(&f);

    begin(&f);
    put(&f, "x", DSC_F32, 2, (int64_t[]){3, 4}, count);
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_SHAPE, "array 'x' is f32[3,4], the input 'x' takes f32[rows,3]");
    drop(&f);

    begin(&f);
    put(&f, "x", DSC_F32, 0, NULL, count);
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_SHAPE, "array 'x' is f32[]");
    drop(&f);

    begin(&f);
    put(&f, "x", DSC_F32, 2, (int64_t[]){0, 3}, count);
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_EMPTY, "no rows");
    drop(&f);
}
END_TEST

START_TEST(every_fault_of_a_value_names_its_row)
{
    struct dsc_data_spec two_classes = of_x;
    const double bad[6] = {0, 1, 2, 3, NAN, INFINITY};
    struct fixture f;

    two_classes.n_classes = 2;
    begin(&f);
    put_x(&f, 2, bad);
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_NONFINITE, "x[1,1] is nan");
    ck_assert_str_eq(f.err.where, "row 1");
    drop(&f);

    begin(&f);
    put_x(&f, 3, count);
    put_labels(&f, DSC_I64, 3, (double[]){0, 2, -1});
    read_back(&f, two_classes);
    assert_fault(&f, DSC_E_RANGE,
                 "2 bad rows: row 1: label 2 is not in the label map; row 2: label -1");
    ck_assert_str_eq(f.err.hint, "the model has 2 classes, 0 to 1; values are --task regress");
    drop(&f);

    begin(&f);
    put_x(&f, 1, count);
    put_labels(&f, DSC_I64, 1, (double[]){1e9});
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_RANGE, "label 1000000000");
    drop(&f);

    begin(&f);
    put_x(&f, 2, count);
    put_labels(&f, DSC_F32, 2, (double[]){0, NAN});
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_NONFINITE, "label nan");
    drop(&f);

    begin(&f);
    two_classes.target = DSC_TARGET_CLASS;
    put_x(&f, 2, count);
    put_labels(&f, DSC_F32, 2, count);
    read_back(&f, two_classes);
    assert_fault(&f, DSC_E_TYPE, "classes are whole numbers");
    drop(&f);

    begin(&f);
    put_x(&f, 2, count);
    put(&f, "label", DSC_I64, 2, (int64_t[]){2, 2}, count);
    read_back(&f, of_x);
    assert_fault(&f, DSC_E_SHAPE, "i64[2,2]");
    drop(&f);
}
END_TEST

START_TEST(objects_are_refused_and_texts_are_not_arrays)
{
    struct fixture f;

    begin(&f);
    read_file(&f, golden("npz/object.npz"), of_x);
    ck_assert_int_eq(f.status, DSC_E_UNSUPPORTED);
    drop(&f);

    begin(&f);
    read_file(&f, golden("mlp/classes.npz"), (struct dsc_data_spec){0});
    ck_assert_int_eq(f.status, DSC_E_UNSUPPORTED);
    ck_assert_str_eq(f.err.message, "the file holds arrays, rows of text are needed here");
    drop(&f);
}
END_TEST

static const struct dsc_row_input of_golden[] = {{"x", {DSC_F32, 2, {ANY, 10}}, false},
                                                 {"kind", {DSC_I64, 1, {ANY}}, false}};

/* tests/golden/mlp/gen_mlp.py has hashed each row with hashlib. */
START_TEST(the_parts_of_rows_are_what_python_says)
{
    struct dsc_data_spec spec = {.inputs = of_golden, .n_inputs = 2, .split = {70, 10, 20}};
    json_t *root = json_load_file(golden("mlp/mlp.json"), 0, NULL);
    const char *parts = json_string_value(json_object_get(root, "parts"));
    const char letters[] = "tde";
    size_t n_seen = 0;

    ck_assert_ptr_nonnull(parts);
    for (int p = 0; p < 3; p++) {
        struct fixture f;

        begin(&f);
        spec.part = (enum dsc_part)(DSC_PART_TRAIN + p);
        read_file(&f, golden("mlp/classes.npz"), spec);
        ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
        for (size_t i = 0; i < f.set.n; i++)
            ck_assert_int_eq(parts[f.set.row[i]], letters[p]);
        ck_assert_uint_eq(f.set.report.n_other_parts + f.set.n, strlen(parts));
        n_seen += f.set.n;
        drop(&f);
    }
    ck_assert_uint_eq(n_seen, strlen(parts));
    json_decref(root);
}
END_TEST

static bool lies_in(const struct dsc_file *f, const struct dsc_tensor *t)
{
    const unsigned char *p = t->data;

    return p >= f->data && p + dsc_tensor_n_bytes(t) <= f->data + f->n_bytes;
}

/* numpy.savez stores; big endian, booleans and deflated arrays have to be copied. */
START_TEST(stored_arrays_are_read_where_they_lie)
{
    struct dsc_data_spec spec = {.inputs = of_golden, .n_inputs = 2};
    struct dsc_bundle b;
    struct dsc_file file;
    struct fixture f;

    begin(&f);
    read_file(&f, golden("mlp/classes.npz"), spec);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert(lies_in(&f.set.file, &f.set.arrays[0]));
    ck_assert(lies_in(&f.set.file, &f.set.arrays[1]));
    drop(&f);
    for (int is_deflated = 0; is_deflated < 2; is_deflated++) {
        ck_assert_int_eq(dsc_file_open(&file,
                                       golden(is_deflated ? "npz/deflated.npz" : "npz/stored.npz"),
                                       0, NULL),
                         DSC_OK);
        ck_assert_int_eq(dsc_npz_view_bytes(&b, file.data, file.n_bytes, 0, NULL), DSC_OK);
        ck_assert_int_eq(lies_in(&file, dsc_bundle_find(&b, "i8")), !is_deflated);
        ck_assert(!lies_in(&file, dsc_bundle_find(&b, "b1")));
        ck_assert(!lies_in(&file, dsc_bundle_find(&b, "big_i8")));
        ck_assert(!lies_in(&file, dsc_bundle_find(&b, "fortran")));
        dsc_bundle_clear(&b);
        dsc_file_close(&file);
    }
}
END_TEST

/* A changed byte of a stored array is a wrong sum, as it is where arrays are copied. */
START_TEST(a_changed_byte_where_arrays_lie_is_found)
{
    struct dsc_bundle b;
    struct dsc_file file;
    unsigned char *bytes;

    ck_assert_int_eq(dsc_file_open(&file, golden("mlp/values.npz"), 0, NULL), DSC_OK);
    bytes = malloc(file.n_bytes);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, file.data, file.n_bytes);
    bytes[file.n_bytes / 2] ^= 1;
    ck_assert_int_eq(dsc_npz_view_bytes(&b, bytes, file.n_bytes, 0, NULL), DSC_E_CRC);
    free(bytes);
    dsc_file_close(&file);
}
END_TEST

START_TEST(duplicates_count_once_under_a_split)
{
    struct dsc_data_spec spec = of_x;
    struct fixture f;

    spec.split = (struct dsc_split){100, 0, 0};
    spec.part = DSC_PART_TRAIN;
    begin(&f);
    put_x(&f, 4, (double[]){1, 2, 3, 4, 5, 6, 1, 2, 3, 1, 2, 3});
    put_labels(&f, DSC_I64, 4, (double[]){0, 1, 0, 1});
    read_back(&f, spec);
    ck_assert_msg(f.status == DSC_OK, "%s", f.err.message);
    ck_assert_uint_eq(f.set.n, 2);
    ck_assert_int_eq(f.set.row[1], 1);
    ck_assert_int_eq(f.set.label[1], 1);
    ck_assert_uint_eq(f.set.report.n_duplicates, 2);
    ck_assert_uint_eq(f.set.report.n_conflicts, 1);
    drop(&f);

    begin(&f);
    spec.part = DSC_PART_DEV;
    put_x(&f, 4, count);
    read_back(&f, spec);
    ck_assert_int_eq(f.status, DSC_E_EMPTY);
    drop(&f);
}
END_TEST

START_TEST(rows_spread_evenly_keep_their_slices)
{
    struct fixture f;

    begin(&f);
    put_x(&f, 4, count);
    put_labels(&f, DSC_I64, 4, count);
    read_back(&f, of_x);
    ck_assert_int_eq(dsc_dataset_spread(&f.set, 2, &f.arena, &f.err), DSC_OK);
    ck_assert_uint_eq(f.set.n, 2);
    ck_assert_int_eq(f.set.row[1], 2);
    ck_assert_int_eq(f.set.label[1], 2);
    drop(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("array-rows");
    TCase *t = tcase_create("array-rows");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, arrays_are_rows_and_whole_labels_classes);
    tcase_add_test(t, labels_with_fractions_are_values);
    tcase_add_test(t, whole_labels_are_values_where_that_is_asked_for);
    tcase_add_test(t, numbers_stand_for_names_of_the_map);
    tcase_add_test(t, columns_name_other_arrays);
    tcase_add_test(t, every_fault_names_the_array);
    tcase_add_test(t, every_fault_of_a_value_names_its_row);
    tcase_add_test(t, objects_are_refused_and_texts_are_not_arrays);
    tcase_add_test(t, the_parts_of_rows_are_what_python_says);
    tcase_add_test(t, stored_arrays_are_read_where_they_lie);
    tcase_add_test(t, a_changed_byte_where_arrays_lie_is_found);
    tcase_add_test(t, duplicates_count_once_under_a_split);
    tcase_add_test(t, rows_spread_evenly_keep_their_slices);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
