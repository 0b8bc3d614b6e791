/* formats/data: NumPy's array files. */
#include "dsc/io.h"
#include "formats_npz.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *golden(const char *name)
{
    static char path[4096];
    const char *dir = getenv("GOLDEN");

    snprintf(path, sizeof path, "%s/npz/%s", dir ? dir : "tests/golden", name);
    return path;
}

static void assert_counts_up(const struct dsc_bundle *b, const char *name, enum dsc_dtype dtype)
{
    const struct dsc_tensor *t = dsc_bundle_find(b, name);

    ck_assert_msg(t != NULL, "no %s", name);
    ck_assert_int_eq(t->dtype, dtype);
    ck_assert_int_eq(t->rank, 3);
    ck_assert_int_eq(t->dim[0], 2);
    ck_assert_int_eq(t->dim[1], 3);
    ck_assert_int_eq(t->dim[2], 4);
    for (int64_t i = 0; i < 24; i++)
        ck_assert_msg(dsc_tensor_get_f64(t, i) == (double)(dtype == DSC_BOOL ? i % 2 : i),
                      "%s[%d] = %g", name, (int)i, dsc_tensor_get_f64(t, i));
}

START_TEST(every_type_order_and_version_of_numpy_is_read)
{
    static const char *const files[] = {"stored.npz", "deflated.npz"};

    for (int i = 0; i < 2; i++) {
        struct dsc_bundle b;
        struct dsc_err err = {0};

        ck_assert_msg(dsc_npz_read(&b, golden(files[i]), 0, &err) == DSC_OK, "%s", err.message);
        assert_counts_up(&b, "b1", DSC_BOOL);
        assert_counts_up(&b, "i1", DSC_I8);
        assert_counts_up(&b, "u1", DSC_U8);
        assert_counts_up(&b, "i2", DSC_I16);
        assert_counts_up(&b, "u2", DSC_U16);
        assert_counts_up(&b, "i4", DSC_I32);
        assert_counts_up(&b, "u4", DSC_U32);
        assert_counts_up(&b, "i8", DSC_I64);
        assert_counts_up(&b, "u8", DSC_U64);
        assert_counts_up(&b, "f2", DSC_F16);
        assert_counts_up(&b, "f4", DSC_F32);
        assert_counts_up(&b, "f8", DSC_F64);
        assert_counts_up(&b, "big_f4", DSC_F32);
        assert_counts_up(&b, "big_i8", DSC_I64);
        assert_counts_up(&b, "fortran", DSC_I32);
        assert_counts_up(&b, "v2", DSC_F32);
        assert_counts_up(&b, "v3", DSC_F32);
        ck_assert_int_eq(dsc_bundle_find(&b, "scalar")->rank, 0);
        ck_assert_double_eq(dsc_tensor_get_f64(dsc_bundle_find(&b, "scalar"), 0), 7);
        ck_assert_int_eq(dsc_bundle_find(&b, "empty")->dim[0], 0);
        ck_assert_int_eq(dsc_bundle_find(&b, "empty")->dim[1], 5);
        ck_assert_ptr_null(dsc_bundle_find(&b, "nothing"));
        dsc_bundle_clear(&b);
    }
}
END_TEST

static enum dsc_status read_status(const char *path, size_t max_bytes)
{
    struct dsc_bundle b;
    struct dsc_err err = {0};
    const enum dsc_status s = dsc_npz_read(&b, path, max_bytes, &err);

    if (s != DSC_OK) {
        ck_assert_str_ne(err.message, "");
        ck_assert_str_ne(err.file, "");
    }
    dsc_bundle_clear(&b);
    return s;
}

START_TEST(bad_archives_have_their_classes)
{
    ck_assert_int_eq(read_status(golden("object.npz"), 0), DSC_E_UNSUPPORTED);
    ck_assert_int_eq(read_status(golden("text.npz"), 0), DSC_E_UNSUPPORTED);
    ck_assert_int_eq(read_status(golden("gen_npz.py"), 0), DSC_E_MAGIC);
    ck_assert_int_eq(read_status(golden("nothing.npz"), 0), DSC_E_NOINPUT);
    ck_assert_int_eq(read_status(golden("bomb.npz"), 1 << 20), DSC_E_LIMIT);
    ck_assert_int_eq(read_status(golden("deflated.npz"), 70000), DSC_E_LIMIT);
    ck_assert_int_eq(read_status(golden("deflated.npz"), 100000), DSC_OK);
}
END_TEST

/* The status of reading one .npy of these bytes. */
static enum dsc_status npy_status(const char *header, size_t n_data)
{
    char path[] = "/tmp/dsc-npy-XXXXXX";
    const size_t n_header = strlen(header);
    const unsigned char prefix[10] = {0x93,
                                      'N',
                                      'U',
                                      'M',
                                      'P',
                                      'Y',
                                      1,
                                      0,
                                      (unsigned char)(n_header & 0xFF),
                                      (unsigned char)(n_header >> 8)};
    FILE *f = fdopen(mkstemp(path), "wb");
    struct dsc_tensor t;
    enum dsc_status s;

    ck_assert_ptr_nonnull(f);
    fwrite(prefix, 1, sizeof prefix, f);
    fwrite(header, 1, n_header, f);
    for (size_t i = 0; i < n_data; i++)
        fputc(2, f);
    fclose(f);
    s = dsc_npy_read(&t, path, 0, NULL);
    dsc_tensor_clear(&t);
    unlink(path);
    return s;
}

START_TEST(headers_are_read_as_numpy_writes_them_and_no_other_way)
{
    const char *const good[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n",
        "{\"shape\":(2L,1),\"fortran_order\":True,\"descr\":\"=f4\"}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4)}",
    };
    const struct {
        enum dsc_status s;
        const char *header;
    } bad[] = {
        {DSC_E_TRUNC, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"},
        {DSC_E_INCONSISTENT, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"},
        {DSC_E_SCHEMA, "{'descr': '<f4', 'fortran_order': False, 'shape': (2), }"},
        {DSC_E_SCHEMA, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }"},
        {DSC_E_SCHEMA, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)"},
        {DSC_E_SCHEMA, "{'descr': '<f4', 'fortran_order': False}"},
        {DSC_E_SCHEMA, "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}"},
        {DSC_E_SCHEMA, "{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}"},
        {DSC_E_SCHEMA, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x"},
        {DSC_E_SCHEMA, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}"},
        {DSC_E_SCHEMA, ""},
        {DSC_E_UNSUPPORTED, "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}"},
        {DSC_E_UNSUPPORTED, "{'descr': '', 'fortran_order': False, 'shape': (1,)}"},
        {DSC_E_UNSUPPORTED, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}"},
        {DSC_E_UNSUPPORTED,
         "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}"},
        {DSC_E_OVERFLOW,
         "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,4)}"},
        {DSC_E_OVERFLOW,
         "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"},
        {DSC_E_TRUNC, "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}"},
    };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(npy_status(good[i], 8) == DSC_OK, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(npy_status(bad[i].header, 8) == bad[i].s, "%s: %d", bad[i].header,
                      (int)npy_status(bad[i].header, 8));
}
END_TEST

static void digest(const char *path, char hex[65])
{
    struct dsc_file f;
    struct dsc_sha256 h;

    ck_assert_int_eq(dsc_file_open(&f, path, 0, NULL), DSC_OK);
    dsc_sha256_init(&h);
    dsc_sha256_add(&h, f.data, f.n_bytes);
    dsc_sha256_hex(&h, hex);
    dsc_file_close(&f);
}

START_TEST(what_is_written_reads_back_and_has_the_same_bytes_each_time)
{
    char dir[] = "/tmp/dsc-npz-XXXXXX", one[64], two[64], hex[2][65];
    struct dsc_bundle b, back;
    struct dsc_err err = {0};

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(one, sizeof one, "%s/1.npz", dir);
    snprintf(two, sizeof two, "%s/2.npz", dir);
    ck_assert_int_eq(dsc_npz_read(&b, golden("deflated.npz"), 0, &err), DSC_OK);
    ck_assert_msg(dsc_npz_write(one, &b, false, &err) == DSC_OK, "%s", err.message);
    ck_assert_int_eq(dsc_npz_write(one, &b, false, NULL), DSC_E_EXISTS);
    ck_assert_msg(dsc_npz_read(&back, one, 0, &err) == DSC_OK, "%s", err.message);
    ck_assert_int_eq(back.n, b.n);
    for (int i = 0; i < b.n; i++) {
        ck_assert_str_eq(back.items[i].name, b.items[i].name);
        ck_assert(dsc_tensor_same_shape(&back.items[i].tensor, &b.items[i].tensor));
        ck_assert_mem_eq(back.items[i].tensor.data, b.items[i].tensor.data,
                         dsc_tensor_n_bytes(&b.items[i].tensor));
    }
    ck_assert_int_eq(dsc_npz_write(two, &back, false, &err), DSC_OK);
    digest(one, hex[0]);
    digest(two, hex[1]);
    ck_assert_str_eq(hex[0], hex[1]);
    dsc_bundle_clear(&b);
    dsc_bundle_clear(&back);
    unlink(one);
    unlink(two);
    rmdir(dir);
}
END_TEST

START_TEST(a_type_that_numpy_lacks_is_refused_and_leaves_no_file)
{
    const int64_t dim[1] = {3};
    struct dsc_bundle b;
    struct dsc_tensor t;

    dsc_bundle_init(&b);
    ck_assert_int_eq(dsc_tensor_new(&t, DSC_BF16, 1, dim, NULL), DSC_OK);
    ck_assert_int_eq(dsc_bundle_add(&b, "x", &t, NULL), DSC_OK);
    dsc_tensor_clear(&t);
    ck_assert_int_eq(dsc_npz_write("/tmp/dsc-bf16.npz", &b, true, NULL), DSC_E_UNSUPPORTED);
    ck_assert_int_ne(access("/tmp/dsc-bf16.npz", F_OK), 0);
    dsc_bundle_clear(&b);
}
END_TEST

/* A file with one array "x", counting up to 24 in f32. */
static void write_one(const char *path)
{
    struct dsc_bundle b, one;

    ck_assert_int_eq(dsc_npz_read(&b, golden("stored.npz"), 0, NULL), DSC_OK);
    dsc_bundle_init(&one);
    ck_assert_int_eq(dsc_bundle_add(&one, "x", dsc_bundle_find(&b, "f4"), NULL), DSC_OK);
    ck_assert_int_eq(dsc_npz_write(path, &one, true, NULL), DSC_OK);
    dsc_bundle_clear(&one);
    dsc_bundle_clear(&b);
}

START_TEST(a_changed_byte_is_an_error_or_changes_no_value)
{
    char path[] = "/tmp/dsc-npz-XXXXXX";
    struct dsc_file f;
    struct dsc_bundle b;
    unsigned n_errors = 0;

    close(mkstemp(path));
    write_one(path);
    ck_assert_int_eq(dsc_file_open(&f, path, 0, NULL), DSC_OK);
    unlink(path);
    for (size_t i = 0; i < 2 * f.n_bytes; i++) {
        const size_t at = i / 2;
        FILE *out = fopen(path, "wb");
        enum dsc_status s;

        ck_assert_ptr_nonnull(out);
        fwrite(f.data, 1, at, out);
        if (i % 2) { /* else the file ends here */
            fputc(f.data[at] ^ 0x10, out);
            fwrite(f.data + at + 1, 1, f.n_bytes - at - 1, out);
        }
        fclose(out);
        s = dsc_npz_read(&b, path, 0, NULL);
        if (i % 2 == 0)
            ck_assert_int_eq(s, at == 0 ? DSC_E_EMPTY : at < 4 ? DSC_E_MAGIC : DSC_E_TRUNC);
        n_errors += s != DSC_OK;
        if (s == DSC_OK) {
            ck_assert(i % 2 == 1);
            ck_assert_int_eq(b.n, 1);
            assert_counts_up(&b, b.items[0].name, DSC_F32);
        }
        dsc_bundle_clear(&b);
        unlink(path);
    }
    ck_assert_uint_gt(n_errors, f.n_bytes + 200);
    dsc_file_close(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("npz");
    TCase *t = tcase_create("npz");
    SRunner *r;
    int n_failed;

    tcase_add_test(t, every_type_order_and_version_of_numpy_is_read);
    tcase_add_test(t, bad_archives_have_their_classes);
    tcase_add_test(t, headers_are_read_as_numpy_writes_them_and_no_other_way);
    tcase_add_test(t, what_is_written_reads_back_and_has_the_same_bytes_each_time);
    tcase_add_test(t, a_type_that_numpy_lacks_is_refused_and_leaves_no_file);
    tcase_add_test(t, a_changed_byte_is_an_error_or_changes_no_value);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
