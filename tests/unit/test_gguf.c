/* GGUF against what the gguf package reads and writes (tests/golden/gguf). */
#include "formats_model.h"
#include "formats_npz.h"
#include "model/gguf.h"

#include <check.h>
#include <math.h>
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
                                          {"general.quantization_version", "2"},
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

/* Squared errors of codes for x, of ours and (NULL: none) those of a file, block by block. */
static void compare_codes(const char *name, const struct dsc_tensor *x,
                          const struct dsc_tensor *other, double *ours, double *theirs)
{
    const struct gguf_type *type = gguf_type_of_name(name);
    const int64_t n_blocks = dsc_tensor_n_elems(x) / type->block_elems;

    *ours = *theirs = 0;
    for (int64_t k = 0; k < n_blocks; k++) {
        const float *src = (const float *)x->data + k * type->block_elems;
        double e[2] = {0};

        for (int side = 0; side < (other ? 2 : 1); side++) {
            unsigned char block[256];
            float back[256];

            type->encode(src, block);
            if (side == 1)
                memcpy(block, (const char *)other->data + k * type->block_bytes,
                       (size_t)type->block_bytes);
            type->decode(block, back);
            for (int i = 0; i < type->block_elems; i++)
                e[side] += pow((double)src[i] - (double)back[i], 2);
        }
        if (other)
            ck_assert_msg(e[0] <= e[1] * (1 + 1e-6), "%s, block %d: %g, the package %g", name,
                          (int)k, e[0], e[1]);
        *ours += e[0];
        *theirs += e[1];
    }
}

START_TEST(codes_are_nowhere_worse_than_the_packages)
{
    static const char *const names[] = {"q8_0", "q4_0", "q4_1", "q5_1"};
    double ours, theirs, q4_0 = 0, q5_1 = 0;
    struct dsc_bundle b;
    struct dsc_err err = {0};
    const struct dsc_tensor *x;

    ok(dsc_npz_read(&b, golden("round.npz"), 0, &err), &err);
    x = dsc_bundle_find(&b, "x");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        compare_codes(names[i], x, dsc_bundle_find(&b, names[i]), &ours, &theirs);
        q4_0 = i == 1 ? theirs : q4_0;
        q5_1 = i == 3 ? theirs : q5_1;
        if (i > 0) /* the search finds something */
            ck_assert_double_lt(ours, 0.95 * theirs);
    }
    /* the package does not write K-blocks: q4_K has q4_0's bits, q6_K about 10 % more than q5_1 */
    compare_codes("q4_K", x, NULL, &ours, &theirs);
    ck_assert_double_lt(ours, 0.6 * q4_0);
    compare_codes("q6_K", x, NULL, &ours, &theirs);
    ck_assert_double_lt(ours, 0.4 * q5_1);
    compare_codes("q5_0", x, NULL, &ours, &theirs);
    ck_assert_double_lt(ours, 0.25 * q4_0);
    dsc_bundle_clear(&b);
}
END_TEST

/* Each value a code can have stands for itself; zeros stay zeros. */
START_TEST(values_on_the_grid_are_written_exactly)
{
    static const char *const names[] = {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_K", "q6_K"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct gguf_type *type = gguf_type_of_name(names[i]);
        unsigned char block[256];
        float x[256] = {0}, back[256];

        for (int zero = 0; zero < 2; zero++) {
            for (int k = 0; k < 256; k++)
                x[k] = zero ? 0 : 0.5F * (float)(k % 16 - 8);
            type->encode(x, block);
            type->decode(block, back);
            for (int k = 0; k < type->block_elems; k++)
                ck_assert_msg(fabsf(back[k] - x[k]) <= (zero ? 0 : 0.04F), "%s[%d] = %g, not %g",
                              names[i], k, (double)back[k], (double)x[k]);
        }
    }
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
    tcase_add_test(t, codes_are_nowhere_worse_than_the_packages);
    tcase_add_test(t, values_on_the_grid_are_written_exactly);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
