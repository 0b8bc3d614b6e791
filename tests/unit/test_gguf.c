/* GGUF against what the gguf package reads and writes (tests/golden/gguf). */
#include "formats_model.h"
#include "formats_npz.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *golden(const char *name)
{
    static char path[2][512];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/gguf/%s", getenv("GOLDEN"), name);
    return path[turn];
}

static void ok(enum dsc_status st, const struct dsc_err *err)
{
    ck_assert_msg(st == DSC_OK, "%s: %s (%s)", err->file, err->message, err->where);
}

/* Values equal those of the package in every bit, but for the sign of zero. */
START_TEST(every_type_decodes_as_the_package_decodes_it)
{
    struct dsc_model m;
    struct dsc_bundle want;
    struct dsc_err err = {0};

    ok(dsc_model_open(&m, golden("types.gguf"), NULL, &err), &err);
    ok(dsc_npz_read(&want, golden("types.npz"), 0, &err), &err);
    ck_assert_int_eq(m.n_stored, want.n);
    ck_assert_int_eq(m.n_stored, 18);
    for (int i = 0; i < m.n_stored; i++) {
        const struct dsc_tensor *w = dsc_bundle_find(&want, m.stored[i].name);
        struct dsc_tensor t;

        ck_assert_msg(w != NULL, "%s", m.stored[i].name);
        ck_assert_str_eq(m.stored[i].type, m.stored[i].name + 2);
        ok(dsc_model_load(&m, i, &t, &err), &err);
        ck_assert(dsc_tensor_same_shape(&t, w));
        for (int64_t k = 0; k < dsc_tensor_n_elems(w); k++)
            ck_assert_msg((float)dsc_tensor_get_f64(&t, k) == ((const float *)w->data)[k],
                          "%s[%d] = %.9g, not %.9g", m.stored[i].name, (int)k,
                          dsc_tensor_get_f64(&t, k), (double)((const float *)w->data)[k]);
        dsc_tensor_clear(&t);
    }
    dsc_bundle_clear(&want);
    dsc_model_close(&m);
}
END_TEST

START_TEST(metadata_of_every_type_are_texts)
{
    static const char *const rows[][2] = {{"general.architecture", "test"},
                                          {"general.name", "every type"},
                                          {"test.uint8", "255"},
                                          {"test.int8", "-128"},
                                          {"test.uint16", "65535"},
                                          {"test.int16", "-32768"},
                                          {"test.uint32", "4294967295"},
                                          {"test.int32", "-2147483648"},
                                          {"test.int64", "-9223372036854775808"},
                                          {"test.uint64", "18446744073709551615"},
                                          {"test.float32", "0.100000001"},
                                          {"test.float64", "0.10000000000000001"},
                                          {"test.bool", "true"},
                                          {"test.string", "caf\xC3\xA9\ntwo"},
                                          {"test.numbers", "[1,2,3]"},
                                          {"test.words", "[2 x string]"},
                                          {"test.many", "[9 x i32]"}};
    struct dsc_model m;
    struct dsc_err err = {0};

    ok(dsc_model_open(&m, golden("types.gguf"), NULL, &err), &err);
    ck_assert_int_eq(m.tensors.n_meta, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_str_eq(dsc_bundle_meta(&m.tensors, rows[i][0]), rows[i][1]);
    dsc_model_close(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gguf");
    TCase *t = tcase_create("gguf");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_test(t, every_type_decodes_as_the_package_decodes_it);
    tcase_add_test(t, metadata_of_every_type_are_texts);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
