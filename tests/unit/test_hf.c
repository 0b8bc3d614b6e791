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

/* ---- writing ---- */

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/test-hf-XXXXXX");
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
    static char path[4][256];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void put_text(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void write_model(const struct dsc_graph *g, const char *path, bool may_replace)
{
    const struct dsc_write_opts opts = {.may_replace = may_replace};
    struct dsc_err err = {0};

    ok(dsc_model_write(g, path, &opts, NULL, &err), &err);
}

static void check_written_again(const char *name)
{
    struct dsc_model a, b;
    struct dsc_err err = {0};

    open_model(&a, golden(name));
    write_model(a.graph, in_dir("out/"), true);
    open_model(&b, in_dir("out"));
    ok(dsc_graph_same(a.graph, b.graph, &err), &err);
    dsc_model_close(&a);
    dsc_model_close(&b);
}

START_TEST(a_written_folder_reads_back_as_the_same_graph_and_metadata)
{
    char name[64];

    make_dir();
    snprintf(name, sizeof name, "%s/base", families[_i]);
    check_written_again(name);
    snprintf(name, sizeof name, "%s/cls", families[_i]);
    check_written_again(name);
    if (_i == 0) {
        check_written_again("sentence-cls");
        check_written_again("bert-sharded");
    }
    remove_dir();
}
END_TEST

START_TEST(names_in_a_written_folder_are_those_of_the_original)
{
    struct dsc_model m;
    struct dsc_bundle a, b;
    struct dsc_err err = {0};

    make_dir();
    open_model(&m, golden("electra/cls"));
    write_model(m.graph, in_dir("out/"), false);
    ok(dsc_safetensors_read(&a, golden("electra/cls/model.safetensors"), NULL, &err), &err);
    ok(dsc_safetensors_read(&b, in_dir("out/model.safetensors"), NULL, &err), &err);
    ck_assert_int_eq(a.n, b.n);
    for (int i = 0; i < a.n; i++) {
        ck_assert_str_eq(a.items[i].name, b.items[i].name);
        ck_assert(dsc_tensor_same_shape(&a.items[i].tensor, &b.items[i].tensor));
        ck_assert_mem_eq(a.items[i].tensor.data, b.items[i].tensor.data,
                         dsc_tensor_n_bytes(&a.items[i].tensor));
    }
    dsc_bundle_clear(&a);
    dsc_bundle_clear(&b);
    dsc_model_close(&m);
    remove_dir();
}
END_TEST

START_TEST(an_onnx_file_of_a_folder_becomes_a_folder_again_with_its_own_metadata)
{
    struct dsc_model a, b, c;
    struct dsc_err err = {0};

    make_dir();
    open_model(&a, golden("mpnet/cls"));
    ok(dsc_graph_set_prop(a.graph, "dscompress.positive", "spam", &err), &err);
    ok(dsc_graph_set_prop(a.graph, "dscompress.max_length", "16", &err), &err);
    ok(dsc_graph_set_prop(a.graph, "dscompress.labels", "[\"x\",\"spam\",\"z\"]", &err), &err);
    write_model(a.graph, in_dir("m.onnx"), false);
    open_model(&b, in_dir("m.onnx"));
    check_lengths(b.graph, "mpnet/cls");
    write_model(b.graph, in_dir("out/"), false);
    open_model(&c, in_dir("out"));
    check_lengths(c.graph, "mpnet/cls");
    ck_assert_str_eq(dsc_graph_prop(c.graph, "dscompress.positive"), "spam");
    ck_assert_str_eq(dsc_graph_prop(c.graph, "dscompress.max_length"), "16");
    ck_assert_str_eq(dsc_graph_prop(c.graph, "dscompress.labels"), "[\"x\",\"spam\",\"z\"]");
    dsc_model_close(&a);
    dsc_model_close(&b);
    dsc_model_close(&c);
    remove_dir();
}
END_TEST

START_TEST(only_folders_of_models_are_replaced_and_only_when_asked)
{
    struct dsc_write_opts opts = {0};
    struct dsc_model m;
    struct dsc_err err = {0};
    char text[16] = "", command[128];
    FILE *f;

    make_dir();
    open_model(&m, golden("bert/cls"));
    write_model(m.graph, in_dir("out/"), false);
    ck_assert_int_eq(dsc_model_write(m.graph, in_dir("out/"), &opts, NULL, &err), DSC_E_EXISTS);
    opts.may_replace = true;
    put_text("out/notes.txt", "mine");
    err = (struct dsc_err){0};
    ck_assert_int_eq(dsc_model_write(m.graph, in_dir("out/"), &opts, NULL, &err), DSC_E_EXISTS);
    ck_assert_ptr_nonnull(strstr(err.message, "notes.txt"));
    f = fopen(in_dir("out/notes.txt"), "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, f));
    fclose(f);
    ck_assert_str_eq(text, "mine");
    ck_assert_int_eq(remove(in_dir("out/notes.txt")), 0);
    write_model(m.graph, in_dir("out/"), true);
    dsc_model_close(&m);
    snprintf(command, sizeof command, "test \"$(ls -A '%s')\" = out", dir);
    ck_assert_int_eq(system(command), 0);
    remove_dir();
}
END_TEST

START_TEST(a_graph_that_its_config_does_not_describe_is_refused_and_leaves_nothing)
{
    struct dsc_model m;
    struct dsc_err err = {0};
    struct dsc_tensor t = {0};
    char command[128];

    make_dir();
    open_model(&m, golden("bert/cls"));
    ok(dsc_tensor_new(&t, DSC_F32, 0, NULL, &err), &err);
    ok(dsc_graph_set_init(m.graph, dsc_graph_find_value(m.graph, "attention.scale"), &t, &err),
       &err);
    dsc_tensor_clear(&t);
    ck_assert_int_eq(dsc_model_write(m.graph, in_dir("out/"), NULL, NULL, &err), DSC_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "attention.scale"));
    ck_assert_int_eq(dsc_model_can_write(m.graph, in_dir("out/"), NULL), DSC_E_UNSUPPORTED);
    ck_assert_int_eq(dsc_model_can_write(m.graph, in_dir("out.bin"), NULL), DSC_E_USAGE);
    ck_assert_int_eq(dsc_model_can_write(m.graph, in_dir("out.onnx"), NULL), DSC_OK);
    dsc_model_close(&m);
    snprintf(command, sizeof command, "test -z \"$(ls -A '%s')\"", dir);
    ck_assert_int_eq(system(command), 0);
    remove_dir();
}
END_TEST

/* ---- folders that differ from what is read ---- */

static void read_text(const char *path, char *text, size_t n_bytes)
{
    FILE *f = fopen(path, "r");
    size_t n;

    ck_assert_ptr_nonnull(f);
    n = fread(text, 1, n_bytes - 1, f);
    text[n] = '\0';
    fclose(f);
}

/* The config of bert/cls with `from` replaced by `to`. */
static void put_config(const char *from, const char *to)
{
    char text[4096], changed[4096];
    char *at;

    read_text(golden("bert/cls/config.json"), text, sizeof text);
    at = strstr(text, from);
    ck_assert_ptr_nonnull(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    put_text("config.json", changed);
}

START_TEST(what_a_config_asks_for_and_is_not_there_is_named)
{
    static const struct {
        const char *from, *to, *word;
        enum dsc_status status;
    } rows[] = {
        {"\"is_decoder\": false", "\"is_decoder\": true", "is_decoder", DSC_E_UNSUPPORTED},
        {"\"add_cross_attention\": false", "\"add_cross_attention\": true", "add_cross_attention",
         DSC_E_UNSUPPORTED},
        {"\"hidden_act\": \"gelu\"", "\"hidden_act\": \"mish\"", "hidden_act", DSC_E_UNSUPPORTED},
        {"\"use_cache\": true", "\"position_embedding_type\": \"relative_key\"",
         "position_embedding_type", DSC_E_UNSUPPORTED},
        {"\"model_type\": \"bert\"", "\"model_type\": \"gpt2\"", "model_type", DSC_E_UNSUPPORTED},
        {"BertForSequenceClassification", "BertForMultipleChoice", "BertForMultipleChoice",
         DSC_E_UNSUPPORTED},
        {"\"use_cache\": true", "\"problem_type\": \"multi_label_classification\"", "problem_type",
         DSC_E_UNSUPPORTED},
        {"\"hidden_size\": 32", "\"hidden_size\": -1", "hidden_size", DSC_E_RANGE},
        {"\"hidden_size\": 32", "\"hidden_size\": \"32\"", "hidden_size", DSC_E_SCHEMA},
        {"\"num_attention_heads\": 4", "\"num_attention_heads\": 5", "num_attention_heads",
         DSC_E_INCONSISTENT},
        {"{", "[", "", DSC_E_SCHEMA},
    };

    make_dir();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dsc_err err = {0};
        struct dsc_model m;
        char command[640];

        snprintf(command, sizeof command, "cp '%s' '%s'", golden("bert/cls/model.safetensors"),
                 dir);
        ck_assert_int_eq(system(command), 0);
        put_config(rows[i].from, rows[i].to);
        ck_assert_int_eq(dsc_model_open(&m, dir, NULL, &err), rows[i].status);
        ck_assert_msg(strstr(err.message, rows[i].word) != NULL, "%s", err.message);
    }
    remove_dir();
}
END_TEST

START_TEST(all_missing_unexpected_and_misshapen_tensors_are_listed_at_once)
{
    struct dsc_bundle in, out = {0};
    struct dsc_err err = {0};
    struct dsc_tensor t;
    struct dsc_model m;

    make_dir();
    put_config("\"use_cache\": true", "\"use_cache\": false");
    ok(dsc_safetensors_read(&in, golden("bert/cls/model.safetensors"), NULL, &err), &err);
    dsc_bundle_init(&out);
    ok(dsc_tensor_new(&t, DSC_F32, 1, (int64_t[]){40}, &err), &err);
    for (int i = 0; i < in.n; i++)
        if (strcmp(in.items[i].name, "classifier.bias") == 0)
            ok(dsc_bundle_add(&out, in.items[i].name, &t, &err), &err);
        else if (strcmp(in.items[i].name, "bert.pooler.dense.bias") != 0)
            ok(dsc_bundle_add(&out, in.items[i].name, &in.items[i].tensor, &err), &err);
    ok(dsc_bundle_add(&out, "bert.embeddings.position_ids", &t, &err), &err);
    ok(dsc_bundle_add(&out, "bert.surplus.weight", &t, &err), &err);
    ok(dsc_bundle_add(&out, "cls.predictions.bias", &t, &err), &err);
    ok(dsc_safetensors_write(&out, in_dir("model.safetensors"), false, &err), &err);
    ck_assert_int_eq(dsc_model_open(&m, dir, NULL, &err), DSC_E_INCONSISTENT);
    ck_assert_ptr_nonnull(strstr(err.message, "(3 differences)"));
    ck_assert_ptr_nonnull(strstr(err.message, "'pooler.dense.bias' is missing"));
    ck_assert_ptr_nonnull(strstr(err.message, "'surplus.weight' is unexpected"));
    ck_assert_ptr_nonnull(strstr(err.message, "'classifier.bias' is f32[40]"));
    dsc_tensor_clear(&t);
    dsc_bundle_clear(&in);
    dsc_bundle_clear(&out);
    remove_dir();
}
END_TEST

START_TEST(half_precision_weights_are_widened_exactly)
{
    static const enum dsc_dtype types[] = {DSC_F16, DSC_BF16};

    for (size_t k = 0; k < 2; k++) {
        struct dsc_bundle in, out = {0};
        struct dsc_err err = {0};
        struct dsc_model m;
        const struct dsc_tensor *half, *wide;

        make_dir();
        put_config("\"use_cache\": true", "\"use_cache\": false");
        ok(dsc_safetensors_read(&in, golden("bert/cls/model.safetensors"), NULL, &err), &err);
        dsc_bundle_init(&out);
        for (int i = 0; i < in.n; i++) {
            const struct dsc_tensor *x = &in.items[i].tensor;
            struct dsc_tensor t;

            ok(dsc_tensor_new(&t, types[k], x->rank, x->dim, &err), &err);
            for (int64_t e = 0; e < dsc_tensor_n_elems(x); e++)
                dsc_tensor_set_f64(&t, e, dsc_tensor_get_f64(x, e));
            ok(dsc_bundle_add(&out, in.items[i].name, &t, &err), &err);
            dsc_tensor_clear(&t);
        }
        ok(dsc_safetensors_write(&out, in_dir("model.safetensors"), false, &err), &err);
        open_model(&m, dir);
        half = dsc_bundle_find(&out, "bert.pooler.dense.weight");
        wide = &m.graph->values[dsc_graph_find_value(m.graph, "pooler.dense.weight")].init;
        ck_assert_int_eq(wide->dtype, DSC_F32);
        for (int64_t e = 0; e < dsc_tensor_n_elems(half); e++)
            ck_assert_double_eq(dsc_tensor_get_f64(half, e), dsc_tensor_get_f64(wide, e));
        dsc_model_close(&m);
        dsc_bundle_clear(&in);
        dsc_bundle_clear(&out);
        remove_dir();
    }
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
    tcase_add_loop_test(t, a_written_folder_reads_back_as_the_same_graph_and_metadata, 0,
                        (int)(sizeof families / sizeof families[0]));
    tcase_add_test(t, names_in_a_written_folder_are_those_of_the_original);
    tcase_add_test(t, an_onnx_file_of_a_folder_becomes_a_folder_again_with_its_own_metadata);
    tcase_add_test(t, only_folders_of_models_are_replaced_and_only_when_asked);
    tcase_add_test(t, a_graph_that_its_config_does_not_describe_is_refused_and_leaves_nothing);
    tcase_add_test(t, what_a_config_asks_for_and_is_not_there_is_named);
    tcase_add_test(t, all_missing_unexpected_and_misshapen_tensors_are_listed_at_once);
    tcase_add_test(t, half_precision_weights_are_widened_exactly);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
