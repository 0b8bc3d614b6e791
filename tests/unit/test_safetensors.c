/* Safetensors: write-read identity, shards, and headers that lie. */
#include "dsc/io.h"
#include "formats_model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/test-st-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_dir(const char *name)
{
    static char path[2][256];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void put_file(const char *name, const void *data, size_t n_bytes)
{
    FILE *f;

    unlink(in_dir(name)); /* truncating a file makes some file systems wait for the disk */
    f = fopen(in_dir(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n_bytes, f), n_bytes);
    fclose(f);
}

/* A file with this header and n_data zero bytes. */
static void put_header(const char *name, const char *header, size_t n_data)
{
    unsigned char file[1024] = {0};
    const size_t n = strlen(header);

    ck_assert_uint_le(8 + n + n_data, sizeof file);
    file[0] = (unsigned char)n;
    file[1] = (unsigned char)(n >> 8);
    memcpy(file + 8, header, n);
    put_file(name, file, 8 + n + n_data);
}

static void add(struct dsc_bundle *b, const char *name, enum dsc_dtype dtype, int64_t n)
{
    struct dsc_tensor t;

    ck_assert_int_eq(dsc_tensor_new(&t, dtype, 1, &n, NULL), DSC_OK);
    for (int64_t i = 0; i < n; i++)
        dsc_tensor_set_f64(&t, i, (double)(i % 2));
    ck_assert_int_eq(dsc_bundle_add(b, name, &t, NULL), DSC_OK);
    dsc_tensor_clear(&t);
}

START_TEST(a_written_bundle_reads_back_the_same)
{
    const enum dsc_dtype types[] = {DSC_BOOL, DSC_F32, DSC_U8,  DSC_F64, DSC_F16, DSC_BF16, DSC_I8,
                                    DSC_I16,  DSC_U16, DSC_I32, DSC_U32, DSC_I64, DSC_U64};
    struct dsc_bundle b, back;
    struct dsc_err err = {0};
    char name[32];

    dsc_bundle_init(&b);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        snprintf(name, sizeof name, "t%zu \"\xC3\xA9\"", i);
        add(&b, name, types[i], (int64_t)(3 + i % 4));
    }
    add(&b, "empty", DSC_F32, 0);
    ck_assert_int_eq(dsc_bundle_set_meta(&b, "step", "12", NULL), DSC_OK);
    ck_assert_int_eq(dsc_safetensors_write(&b, in_dir("a.safetensors"), false, &err), DSC_OK);
    ck_assert_msg(dsc_safetensors_read(&back, in_dir("a.safetensors"), NULL, &err) == DSC_OK, "%s",
                  err.message);
    ck_assert_int_eq(back.n, b.n);
    ck_assert_str_eq(dsc_bundle_meta(&back, "step"), "12");
    ck_assert_str_eq(dsc_bundle_meta(&back, "format"), "pt");
    for (int i = 0; i < b.n; i++) {
        const struct dsc_tensor *t = dsc_bundle_find(&back, b.items[i].name);

        ck_assert_ptr_nonnull(t);
        ck_assert_int_eq(t->dtype, b.items[i].tensor.dtype);
        ck_assert_int_eq(t->dim[0], b.items[i].tensor.dim[0]);
        ck_assert_mem_eq(t->data, b.items[i].tensor.data, dsc_tensor_n_bytes(t));
        if (dsc_tensor_n_bytes(t)) /* aligned: nothing was copied */
            ck_assert_uint_eq((uintptr_t)t->data % (size_t)(dsc_dtype_bits(t->dtype) / 8), 0);
    }
    dsc_bundle_clear(&b);
    dsc_bundle_clear(&back);
}
END_TEST

START_TEST(the_order_of_adding_does_not_change_the_bytes)
{
    struct dsc_bundle b;
    struct dsc_file f[2];

    for (int i = 0; i < 2; i++) {
        dsc_bundle_init(&b);
        add(&b, i ? "y" : "x", DSC_F32, 4);
        add(&b, i ? "x" : "y", DSC_F32, 4);
        ck_assert_int_eq(dsc_safetensors_write(&b, in_dir("a.safetensors"), true, NULL), DSC_OK);
        ck_assert_int_eq(dsc_file_open(&f[i], in_dir("a.safetensors"), 0, NULL), DSC_OK);
        dsc_bundle_clear(&b);
    }
    ck_assert_uint_eq(f[0].n_bytes, f[1].n_bytes);
    ck_assert_mem_eq(f[0].data, f[1].data, f[0].n_bytes);
    dsc_file_close(&f[0]);
    dsc_file_close(&f[1]);
}
END_TEST

START_TEST(headers_that_lie_are_refused)
{
#define T(name, type, shape, from, to) \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" from "," to "]}"
    const struct {
        const char *header;
        size_t n_data;
        enum dsc_status want;
    } rows[] = {
        {"{" T("a", "F32", "2", "0", "8") "}", 8, DSC_OK},
        {"{" T("a", "F32", "2", "0", "8") "}", 7, DSC_E_RANGE},
        {"{" T("a", "F32", "2", "0", "8") "}", 9, DSC_E_RANGE},
        {"{" T("a", "F32", "3", "0", "8") "}", 8, DSC_E_INCONSISTENT},
        {"{" T("a", "F32", "2", "4", "12") "}", 12, DSC_E_RANGE},
        {"{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "2", "2", "10") "}", 10, DSC_E_ALIAS},
        {"{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "1", "8", "12") "}", 12, DSC_E_RANGE},
        {"{" T("a", "F32", "1", "4", "0") "}", 4, DSC_E_RANGE},
        {"{" T("a", "F32", "-1", "0", "4") "}", 4, DSC_E_RANGE},
        {"{" T("a", "F32", "4611686018427387904,4", "0", "4") "}", 4, DSC_E_OVERFLOW},
        {"{" T("a", "F32", "99999999999999999999", "0", "4") "}", 4, DSC_E_SCHEMA},
        {"{" T("a", "F8_E4M3", "4", "0", "4") "}", 4, DSC_E_UNSUPPORTED},
        {"{" T("a", "F32", "1", "0", "4") "," T("a", "F32", "1", "4", "8") "}", 8, DSC_E_SCHEMA},
        {"{\"a\":1}", 0, DSC_E_SCHEMA},
        {"[1]", 0, DSC_E_SCHEMA},
        {"{\"a\":", 0, DSC_E_SCHEMA},
        {"{\"__metadata__\":{\"k\":1}}", 0, DSC_E_SCHEMA},
        {"{}", 0, DSC_OK},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dsc_bundle b;
        struct dsc_err err = {0};
        enum dsc_status st;

        put_header("a.safetensors", rows[i].header, rows[i].n_data);
        st = dsc_safetensors_read(&b, in_dir("a.safetensors"), NULL, &err);
        ck_assert_msg(st == rows[i].want, "row %zu: %s %s", i, dsc_status_class(st), err.message);
        dsc_bundle_clear(&b);
    }
}
END_TEST

START_TEST(header_lengths_are_bounded)
{
    const unsigned char huge[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, '{', '}'};
    const unsigned char over[16] = {100, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    struct dsc_bundle b;
    struct dsc_err e1 = {0}, e2 = {0}, e3 = {0};

    put_file("a.safetensors", huge, sizeof huge);
    ck_assert_int_eq(dsc_safetensors_read(&b, in_dir("a.safetensors"), NULL, &e1), DSC_E_LIMIT);
    put_file("a.safetensors", over, sizeof over);
    ck_assert_int_eq(dsc_safetensors_read(&b, in_dir("a.safetensors"), NULL, &e2), DSC_E_TRUNC);
    put_file("a.safetensors", over, 5);
    ck_assert_int_eq(dsc_safetensors_read(&b, in_dir("a.safetensors"), NULL, &e3), DSC_E_TRUNC);
}
END_TEST

static enum dsc_status read_index(const char *json, int *n)
{
    struct dsc_bundle b;
    enum dsc_status st;

    put_file("m.safetensors.index.json", json, strlen(json));
    st = dsc_safetensors_read(&b, in_dir("m.safetensors.index.json"), NULL, &(struct dsc_err){0});
    *n = b.n;
    dsc_bundle_clear(&b);
    return st;
}

START_TEST(shards_are_joined_and_stay_in_the_folder)
{
    int n;

    put_header("s1.safetensors", "{" T("a", "F32", "1", "0", "4") "}", 4);
    put_header("s2.safetensors", "{" T("b", "F32", "1", "0", "4") "}", 4);
    ck_assert_int_eq(
        read_index("{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\"}}", &n),
        DSC_OK);
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(read_index("{\"weight_map\":{\"c\":\"s1.safetensors\"}}", &n),
                     DSC_E_INCONSISTENT);
    ck_assert_int_eq(read_index("{\"weight_map\":{\"a\":\"../s1.safetensors\"}}", &n), DSC_E_PATH);
    ck_assert_int_eq(read_index("{\"weight_map\":{\"a\":\"/etc/passwd\"}}", &n), DSC_E_PATH);
    ck_assert_int_eq(read_index("{\"weight_map\":{\"a\":\"s9.safetensors\"}}", &n), DSC_E_NOINPUT);
    ck_assert_int_eq(read_index("{\"weight_map\":{\"a\":3}}", &n), DSC_E_SCHEMA);
    ck_assert_int_eq(read_index("{}", &n), DSC_E_SCHEMA);
}
END_TEST

START_TEST(a_file_is_known_by_its_first_bytes)
{
    struct dsc_model m;

    put_header("weights.bin", "{" T("a", "F32", "1", "0", "4") "}", 4);
    ck_assert_int_eq(dsc_model_open(&m, in_dir("weights.bin"), NULL, NULL), DSC_OK);
    ck_assert_str_eq(m.format->name, "safetensors");
    ck_assert_int_eq(m.tensors.n, 1);
    dsc_model_close(&m);
    ck_assert_int_eq(dsc_model_open_graph(&m, in_dir("weights.bin"), NULL, NULL),
                     DSC_E_UNSUPPORTED);
    put_file("text.txt", "hello", 5);
    ck_assert_int_eq(dsc_model_open(&m, in_dir("text.txt"), NULL, NULL), DSC_E_MAGIC);
    ck_assert_int_eq(dsc_model_open(&m, in_dir("none"), NULL, NULL), DSC_E_NOINPUT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("safetensors");
    TCase *t = tcase_create("safetensors");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_add_test(t, a_written_bundle_reads_back_the_same);
    tcase_add_test(t, the_order_of_adding_does_not_change_the_bytes);
    tcase_add_test(t, headers_that_lie_are_refused);
    tcase_add_test(t, header_lengths_are_bounded);
    tcase_add_test(t, shards_are_joined_and_stay_in_the_folder);
    tcase_add_test(t, a_file_is_known_by_its_first_bytes);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
