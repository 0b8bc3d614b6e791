/* Hugging Face folders against what transformers computes from them (tests/golden/hf). */
#include "dsc/exec.h"
#include "formats_model.h"
#include "formats_npz.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* transformers itself is within 3e-6 in f32. */
static const double TOLERANCE = 1e-5;

static const char *golden(const char *name)
{
    static char path[2][512];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/hf/%s", getenv("GOLDEN"), name);
    return path[turn];
}

static void ok(enum dsc_status st, const struct dsc_err *err)
{
    ck_assert_msg(st == DSC_OK, "%s: %s (%s)", err->file, err->message, err->where);
}

static void open_model(struct dsc_model *m, const char *path)
{
    struct dsc_err err = {0};

    ok(dsc_model_open_graph(m, path, NULL, &err), &err);
}

/* Largest difference of all outputs of a run from the arrays of `want`. */
static double difference(const struct dsc_graph *g, const char *in_path, const char *want_path)
{
    struct dsc_err err = {0};
    struct dsc_bundle in = {0}, want = {0};
    struct dsc_tensor feeds[4] = {{0}}, out[4] = {{0}};
    struct dsc_device *dev = NULL;
    struct dsc_session *s = NULL;
    const struct dsc_run run = {0};
    double worst = 0;

    ok(dsc_npz_read(&in, in_path, 0, &err), &err);
    ok(dsc_npz_read(&want, want_path, 0, &err), &err);
    ck_assert_int_eq(g->n_inputs, in.n);
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_tensor *t = dsc_bundle_find(&in, g->values[g->inputs[i]].name);

        ck_assert_ptr_nonnull(t);
        feeds[i] = *t;
    }
    ok(dsc_device_open(&dev, "cpu", 1, &err), &err);
    ok(dsc_session_open(&s, g, dev, &err), &err);
    ok(dsc_session_run(s, &run, feeds, out, &err), &err);
    ck_assert_int_eq(g->n_outputs, want.n);
    for (int i = 0; i < g->n_outputs; i++) {
        const struct dsc_tensor *t = dsc_bundle_find(&want, g->values[g->outputs[i]].name);

        ck_assert_ptr_nonnull(t);
        ck_assert(dsc_tensor_same_shape(t, &out[i]));
        for (int64_t k = 0; k < dsc_tensor_n_elems(t); k++) {
            const double d = fabs(dsc_tensor_get_f64(t, k) - dsc_tensor_get_f64(&out[i], k));

            worst = d > worst || isnan(d) ? d : worst;
        }
        dsc_tensor_clear(&out[i]);
    }
    dsc_session_close(s);
    dsc_device_close(dev);
    dsc_bundle_clear(&in);
    dsc_bundle_clear(&want);
    return worst;
}

static const char *const families[] = {"bert",  "distilbert", "electra",
                                       "mpnet", "roberta",    "xlm-roberta"};

static void check_lengths(const struct dsc_graph *g, const char *stem)
{
    static const char *const lengths[] = {"short", "long"};

    for (size_t i = 0; i < 2; i++) {
        char in[128], out[128];
        double d;

        snprintf(in, sizeof in, "%s.%s.in.npz", stem, lengths[i]);
        snprintf(out, sizeof out, "%s.%s.out.npz", stem, lengths[i]);
        d = difference(g, golden(in), golden(out));
        ck_assert_msg(d <= TOLERANCE, "%s %s: %g", stem, lengths[i], d);
    }
}

START_TEST(encoders_and_classifiers_compute_what_transformers_does)
{
    static const char *const kinds[] = {"base", "cls"};

    for (size_t k = 0; k < 2; k++) {
        struct dsc_model m;
        char name[64], stem[64];

        snprintf(name, sizeof name, "%s/%s", families[_i], kinds[k]);
        snprintf(stem, sizeof stem, "%s/%s", families[_i], kinds[k]);
        open_model(&m, golden(name));
        check_lengths(m.graph, stem);
        dsc_model_close(&m);
    }
}
END_TEST

START_TEST(shards_make_the_same_graph_as_one_file)
{
    struct dsc_model one, shards;
    struct dsc_err err = {0};

    open_model(&one, golden("bert/base"));
    open_model(&shards, golden("bert-sharded"));
    ok(dsc_graph_set_prop(one.graph, "dscompress.tokenizer", NULL, &err), &err);
    ok(dsc_graph_set_prop(one.graph, "dscompress.hf.config", NULL, &err), &err);
    ok(dsc_graph_set_prop(shards.graph, "dscompress.hf.config", NULL, &err), &err);
    ok(dsc_graph_same(one.graph, shards.graph, &err), &err);
    dsc_model_close(&one);
    dsc_model_close(&shards);
}
END_TEST

START_TEST(a_folder_gives_labels_length_pooling_and_tokenizer)
{
    struct dsc_model m;

    open_model(&m, golden("bert/cls"));
    ck_assert_str_eq(dsc_graph_prop(m.graph, "dscompress.labels"), "[\"ham\",\"spam\",\"smish\"]");
    ck_assert_str_eq(dsc_graph_prop(m.graph, "dscompress.task"), "classify");
    ck_assert_str_eq(dsc_graph_prop(m.graph, "dscompress.max_length"), "40");
    ck_assert_ptr_nonnull(dsc_graph_prop(m.graph, "dscompress.tokenizer"));
    ck_assert_ptr_null(dsc_graph_prop(m.graph, "dscompress.pooling"));
    dsc_model_close(&m);
    open_model(&m, golden("sentence-mean"));
    ck_assert_str_eq(dsc_graph_prop(m.graph, "dscompress.pooling"), "mean");
    ck_assert_str_eq(dsc_graph_prop(m.graph, "dscompress.max_length"), "38");
    ck_assert_ptr_null(dsc_graph_prop(m.graph, "dscompress.labels"));
    dsc_model_close(&m);
    open_model(&m, golden("sentence-cls"));
    ck_assert_str_eq(dsc_graph_prop(m.graph, "dscompress.pooling"), "cls");
    dsc_model_close(&m);
}
END_TEST

START_TEST(outputs_have_known_widths_and_free_batch_and_sequence)
{
    struct dsc_model m;
    const struct dsc_type *t;

    open_model(&m, golden("bert/base"));
    t = &m.graph->values[m.graph->outputs[0]].type;
    ck_assert_int_eq(t->rank, 3);
    ck_assert_str_eq(m.graph->symbols[dsc_dim_symbol_idx(t->dim[0])], "batch");
    ck_assert_str_eq(m.graph->symbols[dsc_dim_symbol_idx(t->dim[1])], "sequence");
    ck_assert_int_eq(t->dim[2], 32);
    dsc_model_close(&m);
}
END_TEST

START_TEST(hidden_states_are_rows_and_linears_hold_the_file_s_weights)
{
    struct dsc_model m;
    int id;

    open_model(&m, golden("bert/cls"));
    id = dsc_graph_find_value(m.graph, "encoder.layer.1.intermediate.dense.weight");
    ck_assert_int_ge(id, 0);
    ck_assert_int_eq(m.graph->values[id].init.dim[0], 64);
    ck_assert_int_eq(m.graph->values[id].init.dim[1], 32);
    id = dsc_graph_find_node(m.graph, "encoder.layer.1.intermediate.dense");
    ck_assert_int_ge(id, 0);
    ck_assert_int_eq(dsc_node_int(m.graph->nodes[id], "transB", 0), 1);
    dsc_model_close(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hf");
    TCase *t = tcase_create("hf");
    SRunner *r;
    int n_failed;

    tcase_add_loop_test(t, encoders_and_classifiers_compute_what_transformers_does, 0,
                        (int)(sizeof families / sizeof families[0]));
    tcase_add_test(t, shards_make_the_same_graph_as_one_file);
    tcase_add_test(t, a_folder_gives_labels_length_pooling_and_tokenizer);
    tcase_add_test(t, outputs_have_known_widths_and_free_batch_and_sequence);
    tcase_add_test(t, hidden_states_are_rows_and_linears_hold_the_file_s_weights);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
