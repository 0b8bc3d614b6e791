/* Dropout put back into inference graphs: the places that Hugging Face models have, and exports. */
#include "dsc/op.h"
#include "dsc/pass.h"
#include "formats_model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PLACES = 64 };

struct places {
    int n;
    char text[MAX_PLACES][256];
};

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "value > consumer consumer" of every Dropout, sorted; consumers in graph order. */
static void places_of(const struct dsc_graph *g, struct places *p)
{
    p->n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];
        char *text = p->text[p->n];
        size_t at;

        if (strcmp(n->op->onnx, "Dropout") != 0)
            continue;
        ck_assert_int_lt(p->n++, MAX_PLACES);
        at = (size_t)snprintf(text, 256, "%s >", g->values[n->in[0]].name);
        for (int k = 0; k < g->n_nodes; k++)
            for (int in = 0; in < g->nodes[k]->n_in; in++)
                if (g->nodes[k]->in[in] == n->out[0] && at < 256)
                    at += (size_t)snprintf(text + at, 256 - at, " %s", g->nodes[k]->name);
    }
    qsort(p->text, (size_t)p->n, sizeof p->text[0], compare);
}

static void open_model(struct dsc_model *m, const char *name)
{
    struct dsc_err err = {0};
    char path[512];

    snprintf(path, sizeof path, "%s/%s", getenv("GOLDEN"), name);
    ck_assert_msg(dsc_model_open_graph(m, path, NULL, &err) == DSC_OK, "%s: %s", path, err.message);
}

/* How many of the places that are put are the model's own, of how many there are and were. */
static void compare_with_own(const char *name, int n_both, int n_put, int n_own)
{
    struct dsc_dropout_places found;
    struct places *own = calloc(1, sizeof *own), *put = calloc(1, sizeof *put);
    struct dsc_err err = {0};
    struct dsc_model m;
    int n = 0;

    open_model(&m, name);
    places_of(m.graph, own);
    ck_assert_int_eq(dsc_pass_strip_dropout(m.graph, &err), DSC_OK);
    ck_assert_msg(dsc_pass_put_dropout(m.graph, 0.1, &found, &err) == DSC_OK, "%s", err.message);
    ck_assert_msg(dsc_graph_verify(m.graph, &err) == DSC_OK, "%s", err.message);
    places_of(m.graph, put);
    for (int i = 0; i < put->n; i++)
        n += bsearch(put->text[i], own->text, (size_t)own->n, sizeof own->text[0], compare) != NULL;
    ck_assert_msg(n == n_both && put->n == n_put && own->n == n_own,
                  "%s: %d of %d are of the model's %d", name, n, put->n, own->n);
    ck_assert_int_eq(found.n_embeddings + found.n_attention + found.n_residual + found.n_classifier,
                     put->n);
    free(own);
    free(put);
    dsc_model_close(&m);
}

/* Two layers: 1 on embeddings, 2 on attention, 4 before sums, 1 before the classifier. */
START_TEST(places_in_bert_are_the_places_of_transformers)
{
    compare_with_own("hf/bert/cls", 8, 8, 8);
    compare_with_own("hf/bert/base", 7, 7, 7);
}
END_TEST

/* DistilBERT has none behind attention; the others' heads have a second one, further in. */
START_TEST(places_in_other_families_differ_as_documented)
{
    compare_with_own("hf/distilbert/cls", 6, 8, 6);
    compare_with_own("hf/roberta/cls", 8, 8, 9);
    compare_with_own("hf/xlm-roberta/cls", 8, 8, 9);
    compare_with_own("hf/mpnet/cls", 8, 8, 9);
    compare_with_own("hf/electra/cls", 8, 8, 9);
}
END_TEST

static void count(const char *name, const char *want)
{
    struct dsc_dropout_places n;
    struct dsc_err err = {0};
    struct dsc_model m;
    char text[64];

    open_model(&m, name);
    ck_assert_msg(dsc_pass_put_dropout(m.graph, 0.1, &n, &err) == DSC_OK, "%s", err.message);
    ck_assert_msg(dsc_graph_verify(m.graph, &err) == DSC_OK, "%s", err.message);
    snprintf(text, sizeof text, "%d %d %d %d", n.n_embeddings, n.n_attention, n.n_residual,
             n.n_classifier);
    ck_assert_msg(strcmp(text, want) == 0, "%s: %s", name, text);
    ck_assert_int_eq(dsc_pass_put_dropout(m.graph, 0.2, &n, &err), DSC_OK);
    ck_assert_int_eq(n.n_embeddings + n.n_attention + n.n_residual, 0);
    ck_assert_int_gt(n.n_set, 0);
    dsc_model_close(&m);
}

START_TEST(exports_of_both_exporters_have_the_same_places)
{
    count("torch/tiny_bert_ts.onnx", "1 2 4 1");
    count("torch/tiny_bert_dynamo.onnx", "1 2 4 1");
    count("torch/fresh_bert_ts.onnx", "1 1 2 1");
    count("torch/fresh_bert_dynamo.onnx", "1 1 2 1");
}
END_TEST

START_TEST(a_graph_without_a_place_is_refused)
{
    struct dsc_dropout_places n;
    struct dsc_err err = {0};
    struct dsc_model m;

    open_model(&m, "onnx/functions.onnx");
    ck_assert_int_eq(dsc_pass_put_dropout(m.graph, 0.1, &n, &err), DSC_E_UNSUPPORTED);
    dsc_model_close(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dropout");
    TCase *t = tcase_create("dropout");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, places_in_bert_are_the_places_of_transformers);
    tcase_add_test(t, places_in_other_families_differ_as_documented);
    tcase_add_test(t, exports_of_both_exporters_have_the_same_places);
    tcase_add_test(t, a_graph_without_a_place_is_refused);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
