/*
 * Terms of distillation and their gradients against PyTorch (tests/golden/terms), and how terms are
 * written and find their layers.
 */
#include "dsc/distill.h"
#include "dsc/exec.h"
#include "formats_model.h"
#include "formats_npz.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARRAYS = 16 };

/* Where the arrays of a case go: site "s0" is the student's tap of pair 0. */
struct site {
    const char *student, *teacher;
    int pair;
    enum dsc_tap tap;
};

struct term_case {
    const char *name, *spec;
    struct site sites[4];
    const char *maps[3][2]; /* array, name of the learned map */
};

static const struct term_case cases[] = {
    {"hidden.mse",
     "hidden",
     {{"s0", "t0", 0, DSC_TAP_HIDDEN}, {"s1", "t1", 1, DSC_TAP_HIDDEN}},
     {{"w", "T.map"}}},
    {"hidden.cosine", "hidden,loss=cosine", {{"s0", "t0", 0, DSC_TAP_HIDDEN}}, {{0}}},
    {"embedding.mse", "embedding", {{"s0", "t0", 0, DSC_TAP_HIDDEN}}, {{"w", "T.map"}}},
    {"attention.mse", "attention", {{"s0", "t0", 0, DSC_TAP_PROBS}}, {{0}}},
    {"attention.kl", "attention,loss=kl", {{"s0", "t0", 0, DSC_TAP_PROBS}}, {{0}}},
    {"pkd",
     "pkd",
     {{"s0", "t0", 0, DSC_TAP_HIDDEN}, {"s1", "t1", 1, DSC_TAP_HIDDEN}},
     {{"w", "T.map"}}},
    {"relation",
     "relation",
     {{"s_map", "t_map", 0, DSC_TAP_PROBS}, {"s_value", "t_value", 0, DSC_TAP_VALUE}},
     {{0}}},
    {"relation2",
     "relation2,heads=3",
     {{"s_query", "t_query", 0, DSC_TAP_QUERY},
      {"s_key", "t_key", 0, DSC_TAP_KEY},
      {"s_value", "t_value", 0, DSC_TAP_VALUE}},
     {{0}}},
    {"rkd.both", "rkd", {{"s0", "t0", 0, DSC_TAP_FEATURES}}, {{0}}},
    {"rkd.distance", "rkd,loss=distance", {{"s0", "t0", 0, DSC_TAP_FEATURES}}, {{0}}},
    {"rkd.angle", "rkd,loss=angle", {{"s0", "t0", 0, DSC_TAP_FEATURES}}, {{0}}},
    {"crd",
     "crd,tau=0.07",
     {{"s0", "t0", 0, DSC_TAP_FEATURES}},
     {{"w_student", "T.student"}, {"w_teacher", "T.teacher"}}},
};

/* A graph under test: its feeds, and the values whose gradients are known. */
struct rig {
    struct dsc_bundle b;
    const struct term_case *c;
    enum dsc_dtype dtype;
    struct dsc_graph *g;
    struct dsc_arena arena;
    struct dsc_tensor feeds[MAX_ARRAYS];
    int wanted[MAX_ARRAYS], n_wanted;
    const char *grads[MAX_ARRAYS];
};

static const struct dsc_tensor *item(const struct rig *r, const char *part)
{
    const struct dsc_tensor *t;
    char name[64];

    snprintf(name, sizeof name, "%s.%s", r->c->name, part);
    t = dsc_bundle_find(&r->b, name);
    ck_assert_msg(t != NULL, "no array '%s'", name);
    return t;
}

static void converted(struct dsc_tensor *dst, const struct dsc_tensor *src, enum dsc_dtype dtype)
{
    ck_assert_int_eq(dsc_tensor_new(dst, dtype, src->rank, src->dim, NULL), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(src); i++)
        dsc_tensor_set_f64(dst, i, dsc_tensor_get_f64(src, i));
}

/* Sizes of rows and tokens stay open, as in a student's graph. */
static int add_input(struct rig *r, const struct dsc_tensor *src)
{
    struct dsc_type type;
    int id;

    converted(&r->feeds[r->g->n_inputs], src, r->dtype);
    dsc_type_of_tensor(&type, &r->feeds[r->g->n_inputs]);
    type.dim[0] = DSC_DIM_UNKNOWN;
    ck_assert_int_eq(dsc_graph_value(r->g, NULL, &type, &id, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(r->g, id, NULL), DSC_OK);
    return id;
}

static void want(struct rig *r, int value, const char *array)
{
    r->wanted[r->n_wanted] = value;
    r->grads[r->n_wanted++] = array;
}

static struct dsc_dterm_site site_of(struct rig *r, const char *array)
{
    const struct dsc_tensor *t = item(r, array);

    return (struct dsc_dterm_site){.value = add_input(r, t),
                                   .width = t->dim[t->rank - 1],
                                   .n_heads = t->rank == 4 ? t->dim[1] : 0};
}

static int read_sites(struct rig *r, struct dsc_dterm_pair *pairs)
{
    int n = 0;

    for (int i = 0; i < 4 && r->c->sites[i].student; i++) {
        const struct site *s = &r->c->sites[i];

        pairs[s->pair].student[s->tap] = site_of(r, s->student);
        pairs[s->pair].teacher[s->tap] = site_of(r, s->teacher);
        want(r, pairs[s->pair].student[s->tap].value, s->student);
        n = s->pair + 1;
    }
    for (int i = 0; i < 3 && r->c->maps[i][0]; i++) {
        struct dsc_tensor t;
        int id;

        converted(&t, item(r, r->c->maps[i][0]), r->dtype);
        ck_assert_int_eq(dsc_graph_init(r->g, r->c->maps[i][1], &t, &id, NULL), DSC_OK);
        dsc_tensor_clear(&t);
        want(r, id, r->c->maps[i][0]);
    }
    return n;
}

static void assert_close(const struct rig *r, const char *what, const struct dsc_tensor *got,
                         const struct dsc_tensor *want, double tol)
{
    struct dsc_tensor host;
    double top = 0;

    ck_assert_int_eq(dsc_to_host(&host, got, NULL), DSC_OK);
    ck_assert_int_eq(dsc_tensor_n_elems(&host), dsc_tensor_n_elems(want));
    for (int64_t i = 0; i < dsc_tensor_n_elems(want); i++)
        top = fmax(top, fabs(dsc_tensor_get_f64(want, i)));
    for (int64_t i = 0; i < dsc_tensor_n_elems(want); i++) {
        const double g = dsc_tensor_get_f64(&host, i), w = dsc_tensor_get_f64(want, i);

        ck_assert_msg(fabs(g - w) <= tol * top, "%s, %s[%lld]: %.12g, PyTorch %.12g", r->c->name,
                      what, (long long)i, g, w);
    }
    dsc_tensor_clear(&host);
}

static void run(struct rig *r, const char *device, double tol)
{
    const struct dsc_run once = {0};
    struct dsc_tensor y, grads[MAX_ARRAYS] = {0};
    struct dsc_device *dev;
    struct dsc_session *s;
    struct dsc_tape *tape;
    struct dsc_err err = {0};

    ck_assert_msg(dsc_graph_verify(r->g, &err) == DSC_OK, "%s: %s", r->c->name, err.message);
    ck_assert_int_eq(dsc_device_open(&dev, device, 2, &err), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&s, r->g, dev, &err), DSC_OK);
    ck_assert_msg(dsc_tape_open(&tape, s, r->n_wanted, r->wanted, 1, &err) == DSC_OK, "%s",
                  err.message);
    ck_assert_msg(dsc_tape_run(tape, &once, r->feeds, &y, &err) == DSC_OK, "%s: %s (%s)",
                  r->c->name, err.message, err.where);
    ck_assert_msg(dsc_tape_backward(tape, 0, NULL, grads, &err) == DSC_OK, "%s: %s (%s)",
                  r->c->name, err.message, err.where);
    assert_close(r, "loss", &y, item(r, "loss"), tol);
    for (int i = 0; i < r->n_wanted; i++) {
        char name[32];

        snprintf(name, sizeof name, "d%s", r->grads[i]);
        assert_close(r, name, &grads[i], item(r, name), tol);
        dsc_tensor_clear(&grads[i]);
    }
    dsc_tensor_clear(&y);
    dsc_tape_close(tape);
    dsc_session_close(s);
    dsc_device_close(dev);
}

static void check(const struct term_case *c, enum dsc_dtype dtype, const char *device, double tol)
{
    struct rig r = {.c = c, .dtype = dtype, .g = dsc_graph_new(NULL)};
    struct dsc_dterm_pair pairs[2] = {0};
    struct dsc_dterm_spec spec;
    struct dsc_err err = {0};
    char path[512];
    int loss;

    dsc_arena_init(&r.arena);
    snprintf(path, sizeof path, "%s/terms/terms.npz", getenv("GOLDEN"));
    dsc_bundle_init(&r.b);
    ck_assert_msg(dsc_npz_read(&r.b, path, 0, &err) == DSC_OK, "%s", err.message);
    ck_assert_msg(dsc_dterm_parse(c->spec, &r.arena, &spec, &err) == DSC_OK, "%s", err.message);
    struct dsc_dterm_args a = {.name = "T",
                               .loss = spec.loss,
                               .n_heads = spec.n_heads,
                               .tau = spec.tau,
                               .pairs = pairs,
                               .dtype = dtype,
                               .tokens = DSC_NO_VALUE,
                               .others = DSC_NO_VALUE};
    a.n_pairs = read_sites(&r, pairs);
    if (strcmp(c->name, "crd") == 0)
        a.n_rows = dsc_tensor_get_i64(item(&r, "n_rows"), 0);
    if (spec.term->has_tokens)
        a.tokens = add_input(&r, dsc_bundle_find(&r.b, "tokens"));
    if (spec.term->has_others)
        a.others = add_input(&r, dsc_bundle_find(&r.b, "others"));
    ck_assert_msg(spec.term->build(r.g, &a, &loss, &err) == DSC_OK, "%s", err.message);
    ck_assert_int_eq(dsc_graph_output(r.g, loss, NULL), DSC_OK);
    run(&r, device, tol);
    for (int i = 0; i < r.g->n_inputs; i++)
        dsc_tensor_clear(&r.feeds[i]);
    dsc_graph_free(r.g);
    dsc_bundle_clear(&r.b);
    dsc_arena_clear(&r.arena);
}

START_TEST(terms_and_their_gradients_equal_pytorch)
{
    check(&cases[_i], DSC_F64, "cpu", 1e-10);
    check(&cases[_i], DSC_F64, "shadow", 1e-10);
}
END_TEST

START_TEST(terms_in_f32_equal_pytorch_within_rounding)
{
    check(&cases[_i], DSC_F32, "cpu", 2e-5);
}
END_TEST

START_TEST(a_term_says_what_it_does_not_take)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"hiden", "there is no term 'hiden'"},
        {"hidden,weight=-1", "the weight of a term is a number from 0 up, not '-1'"},
        {"hidden,loss=kl", "the term hidden takes loss=mse|cosine, not 'kl'"},
        {"hidden,heads=3", "the term hidden takes no 'heads'"},
        {"hidden,map=2:4/", "the term hidden knows no map '2:4/'"},
        {"hidden,map=middle", "the term hidden knows no map 'middle'"},
        {"embedding,map=top", "the term embedding takes no map"},
        {"rkd,map=top", "the term rkd takes no map"},
        {"relation2,heads=2.5", "heads is a whole number from 1 up, not '2.5'"},
        {"crd,tau=0", "tau is a number in 0.01..100, not '0'"},
        {"hidden,weight", "'weight' of a term is no NAME=VALUE"},
    };
    struct dsc_dterm_spec s;
    struct dsc_arena arena;

    dsc_arena_init(&arena);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dsc_err err = {0};

        ck_assert_int_eq(dsc_dterm_parse(bad[i].text, &arena, &s, &err), DSC_E_USAGE);
        ck_assert_str_eq(err.message, bad[i].message);
    }
    ck_assert_int_eq(dsc_dterm_parse("hidden,map=0:0/2:12,weight=1:0.5", &arena, &s, NULL), DSC_OK);
    ck_assert_int_eq(s.n_pairs, 2);
    ck_assert_int_eq(s.pairs[1][0], 2);
    ck_assert_int_eq(s.pairs[1][1], 12);
    ck_assert_int_eq(s.weight.n, 2);
    ck_assert_str_eq(s.loss, "mse");
    dsc_arena_clear(&arena);
}
END_TEST

/* Encoders of so many layers, all of whose values are there. */
static struct dsc_encoder encoder_of(int n_layers, struct dsc_arena *arena)
{
    struct dsc_encoder e = {.n_layers = n_layers};

    e.why = dsc_arena_alloc(arena, (size_t)(n_layers + 1), sizeof *e.why, NULL);
    for (int tap = 0; tap < DSC_N_TAPS; tap++)
        e.value[tap] = dsc_arena_alloc(arena, (size_t)(n_layers + 1), sizeof(int), NULL);
    return e;
}

/* The pairs of a term on models of n_student and n_teacher layers, as text. */
static void map_text(const char *spec, int n_student, int n_teacher, char text[128])
{
    struct dsc_encoder student, teacher;
    struct dsc_dterm_spec s;
    struct dsc_arena arena;
    struct dsc_err err = {0};
    size_t at = 0;

    dsc_arena_init(&arena);
    student = encoder_of(n_student, &arena);
    teacher = encoder_of(n_teacher, &arena);
    ck_assert_int_eq(dsc_dterm_parse(spec, &arena, &s, &err), DSC_OK);
    struct dsc_dterms t = {.n = 1, .specs = &s, .student = &student, .teacher = &teacher};

    if (dsc_dterms_plan(&t, &arena, &err) != DSC_OK)
        snprintf(text, 128, "%.127s", err.message);
    else
        for (int i = 0; i < s.n_pairs; i++)
            at += (size_t)snprintf(text + at, 128 - at, "%s%d:%d", i ? "/" : "", s.pairs[i][0],
                                   s.pairs[i][1]);
    dsc_arena_clear(&arena);
}

START_TEST(layers_learn_from_the_layers_that_the_map_says)
{
    static const struct {
        const char *spec;
        int n_student, n_teacher;
        const char *pairs;
    } rows[] = {
        {"hidden", 4, 12, "1:3/2:6/3:9/4:12"},
        {"hidden,map=last", 3, 12, "1:10/2:11/3:12"},
        {"hidden,map=first", 3, 12, "1:1/2:2/3:3"},
        {"hidden", 6, 4, "1:1/2:1/3:2/4:3/5:3/6:4"},
        {"hidden,map=top", 3, 12, "3:12"},
        {"hidden,map=0:0/2:7", 3, 12, "0:0/2:7"},
        {"hidden,map=2:13", 3, 12, "the term hidden: the teacher has layers 1 to 12, not 13"},
        {"attention,map=0:0", 3, 12, "the term attention: the student has layers 1 to 3, not 0"},
        {"hidden,map=last", 6, 4, "map=last: the student has 6 layers, the teacher only 4"},
        {"pkd", 6, 12, "1:2/2:4/3:6/4:8/5:10"},
        {"pkd,map=last", 6, 12, "1:7/2:8/3:9/4:10/5:11/6:12"},
        {"pkd", 1, 12, "the term pkd leaves the last layer out, and there is one"},
        {"relation", 4, 12, "4:12"},
        {"embedding", 4, 12, "0:0"},
        {"crd", 4, 12, "0:0"},
    };
    char text[128];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        map_text(rows[i].spec, rows[i].n_student, rows[i].n_teacher, text);
        ck_assert_str_eq(text, rows[i].pairs);
    }
}
END_TEST

/* Whatever way it is written, attention of every layer is found. */
static void check_encoder(const char *file, int n_layers)
{
    struct dsc_encoder e;
    struct dsc_model m;
    struct dsc_arena arena;
    struct dsc_err err = {0};
    char path[512];

    dsc_arena_init(&arena);
    snprintf(path, sizeof path, "%s/%s", getenv("GOLDEN"), file);
    ck_assert_msg(dsc_model_open_graph(&m, path, NULL, &err) == DSC_OK, "%s", err.message);
    ck_assert_msg(dsc_encoder_find(m.graph, 0, &arena, &e, &err) == DSC_OK, "%s", err.message);
    ck_assert_msg(e.n_layers == n_layers, "%s: %d layers, %s", file, e.n_layers,
                  e.why[0] ? e.why[0] : "");
    for (int i = 1; i <= e.n_layers; i++) {
        ck_assert_msg(!e.why[i], "%s: %s", file, e.why[i]);
        for (int tap = DSC_TAP_HIDDEN; tap <= DSC_TAP_VALUE; tap++)
            ck_assert_int_ge(e.value[tap][i], 0);
    }
    dsc_model_close(&m);
    dsc_arena_clear(&arena);
}

START_TEST(attention_is_found_in_graphs_of_every_origin)
{
    static const struct {
        const char *file;
        int n_layers;
    } rows[] = {
        {"hf/bert/cls", 2},
        {"hf/distilbert/cls", 2},
        {"hf/roberta/cls", 2},
        {"hf/xlm-roberta/cls", 2},
        {"hf/mpnet/cls", 2},
        {"hf/electra/cls", 2},
        {"torch/tiny_bert_ts.onnx", 2},
        {"torch/tiny_bert_dynamo.onnx", 2},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_encoder(rows[i].file, rows[i].n_layers);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("terms");
    TCase *t = tcase_create("terms");
    SRunner *r = srunner_create(s);
    const int n = sizeof cases / sizeof cases[0];
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, terms_and_their_gradients_equal_pytorch, 0, n);
    tcase_add_loop_test(t, terms_in_f32_equal_pytorch_within_rounding, 0, n);
    tcase_add_test(t, a_term_says_what_it_does_not_take);
    tcase_add_test(t, layers_learn_from_the_layers_that_the_map_says);
    tcase_add_test(t, attention_is_found_in_graphs_of_every_origin);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
