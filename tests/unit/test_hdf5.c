/* HDF5 files against the values that h5py reads of them (tests/golden/hdf5). */
#include "formats_model.h"
#include "formats_npz.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *golden(const char *name)
{
    static char path[2][512];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/hdf5/%s", getenv("GOLDEN"), name);
    return path[turn];
}

static void ok(enum dsc_status st, const struct dsc_err *err)
{
    ck_assert_msg(st == DSC_OK, "%s: %s (%s)", err->file, err->message, err->where);
}

static void compare(const struct dsc_model *m, const struct dsc_bundle *want)
{
    ck_assert_int_eq(m->n_stored, want->n);
    for (int i = 0; i < m->n_stored; i++) {
        const struct dsc_tensor *w = dsc_bundle_find(want, m->stored[i].name);
        struct dsc_err err = {0};
        struct dsc_tensor t;

        ck_assert_msg(w != NULL, "%s", m->stored[i].name);
        ok(dsc_model_load(m, i, &t, &err), &err);
        ck_assert_msg(dsc_tensor_same_shape(&t, w), "%s", m->stored[i].name);
        for (int64_t k = 0; k < dsc_tensor_n_elems(w); k++)
            ck_assert_msg(dsc_tensor_get_f64(&t, k) == dsc_tensor_get_f64(w, k),
                          "%s[%d] = %g, not %g", m->stored[i].name, (int)k,
                          dsc_tensor_get_f64(&t, k), dsc_tensor_get_f64(w, k));
        dsc_tensor_clear(&t);
    }
}

static enum dsc_dtype dtype_of(const struct dsc_model *m, const char *name)
{
    for (int i = 0; i < m->n_stored; i++)
        if (strcmp(m->stored[i].name, name) == 0)
            return m->stored[i].dtype;
    return DSC_DTYPE_NONE;
}

START_TEST(datasets_have_h5pys_values)
{
    struct dsc_bundle want;
    struct dsc_model m;
    struct dsc_err err = {0};

    ok(dsc_model_open(&m, golden("types.h5"), NULL, &err), &err);
    ok(dsc_npz_read(&want, golden("types.npz"), 0, &err), &err);
    ck_assert_str_eq(m.format->name, "hdf5");
    compare(&m, &want);
    ck_assert_int_eq(dtype_of(&m, "type/f2"), DSC_F16);
    ck_assert_int_eq(dtype_of(&m, "type/bool"), DSC_BOOL);
    ck_assert_int_eq(dtype_of(&m, "big/i4"), DSC_I32);
    ck_assert_int_eq(dtype_of(&m, "type/u8"), DSC_U64);
    ck_assert_str_eq(dsc_bundle_meta(&m.tensors, "note"), "of any length");
    ck_assert_str_eq(dsc_bundle_meta(&m.tensors, "fixed"), "of fixed length");
    ck_assert_ptr_null(dsc_bundle_meta(&m.tensors, "number"));
    dsc_bundle_clear(&want);
    dsc_model_close(&m);
}
END_TEST

static enum dsc_status load(void *ctx, int idx, struct dsc_tensor *t, struct dsc_err *err)
{
    return dsc_model_load(ctx, idx, t, err);
}

START_TEST(what_is_written_is_read_again)
{
    char folder[] = "/tmp/test-hdf5-XXXXXX", path[64];
    struct dsc_bundle want;
    struct dsc_model m, again;
    struct dsc_err err = {0};
    struct dsc_tensor_source src = {.load = load, .ctx = &m};
    uint64_t n_bytes;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.h5", folder);
    ok(dsc_model_open(&m, golden("types.h5"), NULL, &err), &err);
    ok(dsc_npz_read(&want, golden("types.npz"), 0, &err), &err);
    src.items = m.stored;
    src.n = m.n_stored;
    src.meta = m.tensors.meta;
    src.n_meta = m.tensors.n_meta;
    ok(dsc_h5_write(&src, path, false, &n_bytes, &err), &err);
    ok(dsc_model_open(&again, path, NULL, &err), &err);
    ck_assert_uint_eq(again.size_bytes, n_bytes);
    compare(&again, &want);
    for (int i = 0; i < m.n_stored; i++)
        ck_assert_int_eq(m.stored[i].dtype, again.stored[i].dtype);
    ck_assert_str_eq(dsc_bundle_meta(&again.tensors, "note"), "of any length");
    dsc_model_close(&again);
    ck_assert_int_eq(dsc_h5_write(&src, path, false, &n_bytes, &err), DSC_E_EXISTS);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
    dsc_bundle_clear(&want);
    dsc_model_close(&m);
}
END_TEST

START_TEST(names_and_types_that_hdf5_has_not)
{
    static const struct {
        const char *name;
        enum dsc_dtype dtype;
        enum dsc_status want;
    } rows[] = {
        {"a/b.c", DSC_F32, DSC_OK},
        {"a//b", DSC_F32, DSC_E_UNSUPPORTED},
        {"/a", DSC_F32, DSC_OK},
        {"a/", DSC_F32, DSC_E_UNSUPPORTED},
        {"./a", DSC_F32, DSC_E_UNSUPPORTED},
        {"", DSC_F32, DSC_E_UNSUPPORTED},
        {"..", DSC_F32, DSC_OK},
        {"a", DSC_I4, DSC_E_UNSUPPORTED},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dsc_stored s = {.name = rows[i].name, .type = "x", .dtype = rows[i].dtype};

        ck_assert_msg(dsc_h5_fit(&s, NULL) == rows[i].want, "'%s'", rows[i].name);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hdf5");
    TCase *t = tcase_create("hdf5");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_test(t, datasets_have_h5pys_values);
    tcase_add_test(t, what_is_written_is_read_again);
    tcase_add_test(t, names_and_types_that_hdf5_has_not);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
