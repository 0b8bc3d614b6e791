/* Keras models against what Keras computes (tests/golden/keras). */
#include "dsc/exec.h"
#include "formats_model.h"
#include "formats_npz.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of 1, or of a larger output. */
static const double TOLERANCE = 1e-5;

enum { MAX_PORTS = 4 };

static const char *const names[] = {
    "activations.keras", "convolutions.keras", "merges.keras",     "nested.h5",  "nested.keras",
    "recurrent.keras",   "sequential.h5",      "sequential.keras", "text.keras", "two.h5",
    "two-list.h5"};

static void ok(enum dsc_status st, const struct dsc_err *err)
{
    ck_assert_msg(st == DSC_OK, "%s: %s (%s)", err->file, err->message, err->where);
}

static void read_rows(struct dsc_bundle *rows, const char *name)
{
    struct dsc_err err = {0};
    char path[512];

    snprintf(path, sizeof path, "%s/keras/%.*s.npz", getenv("GOLDEN"),
             (int)(strrchr(name, '.') - name), name);
    ok(dsc_npz_read(rows, path, 0, &err), &err);
}

static void compare(const char *name, const struct dsc_tensor *have, const struct dsc_tensor *want)
{
    ck_assert_ptr_nonnull(want);
    ck_assert_msg(dsc_tensor_same_shape(have, want), "%s", name);
    for (int64_t k = 0; k < dsc_tensor_n_elems(want); k++) {
        const double d = fabs(dsc_tensor_get_f64(have, k) - dsc_tensor_get_f64(want, k));

        ck_assert_msg(d <= TOLERANCE * fmax(1, fabs(dsc_tensor_get_f64(want, k))),
                      "%s: output %g, not %g", name, dsc_tensor_get_f64(have, k),
                      dsc_tensor_get_f64(want, k));
    }
}

static void run(const char *name, const struct dsc_graph *g, const struct dsc_bundle *rows)
{
    struct dsc_tensor feeds[MAX_PORTS] = {{0}}, out[MAX_PORTS] = {{0}};
    struct dsc_device *dev = NULL;
    struct dsc_session *s = NULL;
    struct dsc_err err = {0};
    char key[64];

    ck_assert_int_eq(g->n_inputs + g->n_outputs, rows->n);
    for (int i = 0; i < g->n_inputs; i++) {
        snprintf(key, sizeof key, "in.%s", g->values[g->inputs[i]].name);
        ck_assert_msg(dsc_bundle_find(rows, key) != NULL, "%s", key);
        feeds[i] = *dsc_bundle_find(rows, key);
    }
    ok(dsc_device_open(&dev, "cpu", 1, &err), &err);
    ok(dsc_session_open(&s, g, dev, &err), &err);
    ok(dsc_session_run(s, &(struct dsc_run){0}, feeds, out, &err), &err);
    for (int i = 0; i < g->n_outputs; i++) {
        snprintf(key, sizeof key, "out%d", i);
        compare(name, &out[i], dsc_bundle_find(rows, key));
        dsc_tensor_clear(&out[i]);
    }
    dsc_session_close(s);
    dsc_device_close(dev);
}

START_TEST(a_model_computes_what_keras_does)
{
    struct dsc_bundle rows = {0};
    struct dsc_err err = {0};
    struct dsc_model m;
    char path[512];

    snprintf(path, sizeof path, "%s/keras/%s", getenv("GOLDEN"), names[_i]);
    ok(dsc_model_open_graph(&m, path, NULL, &err), &err);
    ck_assert_str_eq(m.format->name, "keras");
    ck_assert_int_eq(m.n_stored, 0);
    read_rows(&rows, names[_i]);
    run(names[_i], m.graph, &rows);
    dsc_bundle_clear(&rows);
    dsc_model_close(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("keras");
    TCase *t = tcase_create("keras");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_loop_test(t, a_model_computes_what_keras_does, 0,
                        (int)(sizeof names / sizeof names[0]));
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
