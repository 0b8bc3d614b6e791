/* PyTorch files against the values that torch reads of them (tests/golden/pt). */
#include "formats_model.h"
#include "formats_npz.h"
#include "model/arch_weights.h"
#include "pb_bytes.h"

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
    snprintf(path[turn], sizeof path[turn], "%s/pt/%s", getenv("GOLDEN"), name);
    return path[turn];
}

static void ok(enum dsc_status st, const struct dsc_err *err)
{
    ck_assert_msg(st == DSC_OK, "%s: %s (%s)", err->file, err->message, err->where);
}

/* The same tensors with the same values: types, views with strides, empty ones, numbers. */
static void compare(const char *file, const char *values, int n)
{
    struct dsc_model m;
    struct dsc_bundle want;
    struct dsc_err err = {0};

    ok(dsc_model_open(&m, golden(file), NULL, &err), &err);
    ok(dsc_npz_read(&want, golden(values), 0, &err), &err);
    ck_assert_str_eq(m.format->name, "pt");
    ck_assert_int_eq(m.n_stored, n);
    ck_assert_int_eq(want.n, n);
    for (int i = 0; i < n; i++) {
        const struct dsc_tensor *w = dsc_bundle_find(&want, m.stored[i].name);
        struct dsc_tensor t;

        ck_assert_msg(w != NULL, "%s", m.stored[i].name);
        ok(dsc_model_load(&m, i, &t, &err), &err);
        ck_assert_msg(dsc_tensor_same_shape(&t, w), "%s", m.stored[i].name);
        for (int64_t k = 0; k < dsc_tensor_n_elems(w); k++)
            ck_assert_msg(dsc_tensor_get_f64(&t, k) == dsc_tensor_get_f64(w, k),
                          "%s: %s[%d] = %g, not %g", file, m.stored[i].name, (int)k,
                          dsc_tensor_get_f64(&t, k), dsc_tensor_get_f64(w, k));
        dsc_tensor_clear(&t);
    }
    dsc_bundle_clear(&want);
    dsc_model_close(&m);
}

START_TEST(a_state_dict_has_torchs_values)
{
    compare("state.pt", "state.npz", 18);
}
END_TEST

START_TEST(a_legacy_file_has_the_same)
{
    compare("legacy.pt", "state.npz", 18);
}
END_TEST

START_TEST(a_script_module_has_its_parameters_and_buffers)
{
    compare("script.pt", "script.npz", 5);
}
END_TEST

START_TEST(a_checkpoint_has_its_tensors_by_their_paths)
{
    compare("nested.pt", "nested.npz", 17);
}
END_TEST

/* net.onnx was exported before the step that the checkpoint has made. */
START_TEST(weights_of_a_checkpoint_go_onto_a_graph)
{
    struct dsc_model m[2];
    struct dsc_bundle want;
    struct dsc_err err = {0};
    int n = 0;

    for (int i = 0; i < 2; i++) {
        char weights[512];
        const struct dsc_read_opts opts = {.weights = i ? weights : NULL};

        snprintf(weights, sizeof weights, "%s", golden("nested.pt"));
        ok(dsc_model_open(&m[i], golden("net.onnx"), &opts, &err), &err);
    }
    ok(dsc_npz_read(&want, golden("nested.npz"), 0, &err), &err);
    for (int i = 0; i < m[1].graph->n_values; i++) {
        const struct dsc_value *v = &m[1].graph->values[i], *old = &m[0].graph->values[i];
        char name[128];
        const struct dsc_tensor *w;

        snprintf(name, sizeof name, "state_dict.%s", v->name);
        w = dsc_bundle_find(&want, name);
        if (!w)
            continue;
        n++;
        for (int64_t k = 0; k < dsc_tensor_n_elems(w); k++)
            ck_assert_double_eq(dsc_tensor_get_f64(&v->init, k), dsc_tensor_get_f64(w, k));
        if (v->init.rank == 2)
            ck_assert_double_ne(dsc_tensor_get_f64(&old->init, 0), dsc_tensor_get_f64(w, 0));
    }
    ck_assert_int_eq(n, 5);
    dsc_bundle_clear(&want);
    for (int i = 0; i < 2; i++)
        dsc_model_close(&m[i]);
}
END_TEST

START_TEST(what_has_no_tensor_or_another_shape_is_listed)
{
    char weights[512];
    const struct dsc_read_opts opts = {.weights = weights};
    struct dsc_model m;
    struct dsc_err err = {0};

    snprintf(weights, sizeof weights, "%s", golden("state.pt"));
    ck_assert_int_eq(dsc_model_open(&m, golden("net.onnx"), &opts, &err), DSC_E_INCONSISTENT);
    ck_assert_ptr_nonnull(strstr(err.message, "'layers.0.weight'"));
    ck_assert_ptr_nonnull(strstr(err.message, "'layers.1.weight'"));
}
END_TEST

/* TensorProto f32 [2] of {v, v}. */
static struct dsc_bytes pair_of(const char *name, float v)
{
    const float values[] = {v, v};
    struct dsc_bytes t = {0};

    pb_int(&t, 1, 2);
    pb_int(&t, 2, 1);
    pb_text(&t, 8, name);
    pb_data(&t, 9, values, sizeof values);
    return t;
}

/* y = w + c, of an initializer and a Constant node. */
static void write_sum(const char *path)
{
    struct dsc_bytes attr = {0}, node = {0}, graph = {0}, m = {0}, t = pair_of("", 5);
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    pb_text(&attr, 1, "value");
    pb_message(&attr, 5, &t);
    pb_int(&attr, 20, 4);
    pb_text(&node, 2, "c");
    pb_text(&node, 4, "Constant");
    pb_message(&node, 5, &attr);
    pb_message(&graph, 1, &node);
    pb_text(&node, 1, "w");
    pb_text(&node, 1, "c");
    pb_text(&node, 2, "y");
    pb_text(&node, 4, "Add");
    pb_message(&graph, 1, &node);
    t = pair_of("w", 0);
    pb_message(&graph, 5, &t);
    pb_text(&attr, 1, "y");
    pb_message(&graph, 12, &attr);
    pb_int(&m, 1, 8);
    pb_message(&m, 7, &graph);
    pb_int(&attr, 2, 17);
    pb_message(&m, 8, &attr);
    ck_assert_uint_eq(fwrite(m.data, 1, m.n_bytes, f), m.n_bytes);
    fclose(f);
    dsc_bytes_clear(&m);
}

/* Values of w and c on the graph with the one weight `name` = 3, or the class. */
static enum dsc_status put_one(const char *folder, const char *name, double *w, double *c)
{
    const int64_t dim = 2;
    char graph[128], weights[128];
    const struct dsc_read_opts opts = {.weights = weights};
    struct dsc_err err = {0};
    struct dsc_bundle b;
    struct dsc_tensor t;
    struct dsc_model m;
    enum dsc_status st;

    snprintf(graph, sizeof graph, "%s/graph.onnx", folder);
    snprintf(weights, sizeof weights, "%s/weights.safetensors", folder);
    dsc_bundle_init(&b);
    ok(dsc_tensor_new(&t, DSC_F32, 1, &dim, &err), &err);
    for (int i = 0; i < 2; i++)
        dsc_tensor_set_f64(&t, i, 3);
    ok(dsc_bundle_add(&b, name, &t, &err), &err);
    ok(dsc_safetensors_write(&b, weights, true, &err), &err);
    dsc_tensor_clear(&t);
    dsc_bundle_clear(&b);
    write_sum(graph);
    st = dsc_model_open(&m, graph, &opts, &err);
    if (st == DSC_OK) {
        *w = dsc_tensor_get_f64(&m.graph->values[dsc_graph_find_value(m.graph, "w")].init, 1);
        *c = dsc_tensor_get_f64(&m.graph->values[dsc_graph_find_value(m.graph, "c")].init, 1);
    }
    dsc_model_close(&m);
    unlink(graph);
    unlink(weights);
    return st;
}

/* What a network has besides weights, as the ones and zeros of an InstanceNorm without them. */
START_TEST(a_constant_of_the_architecture_needs_no_tensor)
{
    char folder[] = "/tmp/test-pt-XXXXXX";
    double w = 0, c = 0;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(put_one(folder, "w", &w, &c), DSC_OK);
    ck_assert_double_eq(w, 3);
    ck_assert_double_eq(c, 5);
    ck_assert_int_eq(put_one(folder, "c", &w, &c), DSC_E_INCONSISTENT);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

static enum dsc_status read_index(const char *folder, const char *map, int *n)
{
    struct dsc_bundle b = {0};
    struct dsc_err err = {0};
    uint64_t size = 0;
    char path[512];
    enum dsc_status st;
    FILE *f;

    snprintf(path, sizeof path, "%s/pytorch_model.bin.index.json", folder);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "{\"weight_map\": %s}", map);
    fclose(f);
    st = arch_read_weights(&b, path, &size, &err);
    *n = b.n;
    dsc_bundle_clear(&b);
    return st;
}

START_TEST(shards_of_an_index_are_joined_and_stay_in_the_folder)
{
    char folder[] = "/tmp/test-pt-XXXXXX", path[512];
    int n;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%d.bin", folder, i);
        ck_assert_int_eq(symlink(golden(i ? "nested.pt" : "script.pt"), path), 0);
    }
    ck_assert_int_eq(
        read_index(folder, "{\"scale\": \"0.bin\", \"state_dict.scale\": \"1.bin\"}", &n), DSC_OK);
    ck_assert_int_eq(n, 5 + 17);
    ck_assert_int_eq(read_index(folder, "{\"other\": \"0.bin\"}", &n), DSC_E_INCONSISTENT);
    ck_assert_int_eq(read_index(folder, "{\"scale\": \"../0.bin\"}", &n), DSC_E_PATH);
    ck_assert_int_eq(read_index(folder, "{\"scale\": \"2.bin\"}", &n), DSC_E_NOINPUT);
    ck_assert_int_eq(read_index(folder, "[]", &n), DSC_E_SCHEMA);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%d.bin", folder, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/pytorch_model.bin.index.json", folder);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pt");
    TCase *t = tcase_create("pt");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_test(t, a_state_dict_has_torchs_values);
    tcase_add_test(t, a_legacy_file_has_the_same);
    tcase_add_test(t, a_script_module_has_its_parameters_and_buffers);
    tcase_add_test(t, a_checkpoint_has_its_tensors_by_their_paths);
    tcase_add_test(t, weights_of_a_checkpoint_go_onto_a_graph);
    tcase_add_test(t, what_has_no_tensor_or_another_shape_is_listed);
    tcase_add_test(t, a_constant_of_the_architecture_needs_no_tensor);
    tcase_add_test(t, shards_of_an_index_are_joined_and_stay_in_the_folder);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
