/* passes/: a graph and its quantized form, layer by layer. */
#include "dsc/pair.h"
#include "quant_graphs.h"

/* two_layers in quantize's form, and quantized. */
struct two {
    struct dsc_graph *ref, *quant;
    struct dsc_arena arena;
    struct dsc_pair pair;
};

static void quantize(struct two *t, const char *left_out)
{
    struct choice c = {.low = -16, .high = 16, .left_out = left_out}; /* nothing is cut off */

    t->ref = two_layers();
    OK(dsc_quant_prepare(t->ref, &err));
    t->quant = copy(t->ref);
    OK(insert(t->quant, target("ort"), &c, &err));
    OK(dsc_quant_finish(t->quant, target("ort"), &err));
    dsc_arena_init(&t->arena);
    OK(dsc_pair_match(t->ref, t->quant, &t->arena, &t->pair, &err));
}

static void clear(struct two *t)
{
    dsc_graph_free(t->ref);
    dsc_graph_free(t->quant);
    dsc_arena_clear(&t->arena);
}

static int layer_of(const struct dsc_pair *p, const char *name)
{
    for (int i = 0; i < p->n_layers; i++)
        if (strcmp(p->layers[i].name, name) == 0)
            return i;
    return -1;
}

START_TEST(quantized_products_are_layers_and_so_is_what_lies_between)
{
    struct two t;
    const int one = (quantize(&t, "two"), layer_of(&t.pair, "one/gemm"));

    ck_assert_int_eq(t.pair.n_quantized, 1);
    ck_assert_int_eq(t.pair.n_layers, 3);
    ck_assert(one >= 0 && t.pair.layers[one].is_quantized);
    ck_assert_int_eq(t.pair.layers[one].n_products, 1);
    ck_assert(!t.pair.layers[layer_of(&t.pair, "relu")].is_quantized);
    ck_assert(!t.pair.layers[layer_of(&t.pair, "two")].is_quantized);
    clear(&t);
}
END_TEST

/* The lookups' values have other names behind codes: their nodes say what they are. */
START_TEST(lookups_of_codes_are_found_by_their_nodes)
{
    struct choice c = {.low = -8, .high = 8};
    struct two t = {.ref = encoder()};

    OK(dsc_quant_prepare(t.ref, &err));
    t.quant = copy(t.ref);
    OK(insert(t.quant, target("ort"), &c, &err));
    OK(dsc_quant_finish(t.quant, target("ort"), &err));
    dsc_arena_init(&t.arena);
    OK(dsc_pair_match(t.ref, t.quant, &t.arena, &t.pair, &err));
    ck_assert_int_eq(t.pair.n_quantized, 4);
    ck_assert(t.pair.layers[layer_of(&t.pair, "words")].is_quantized);
    ck_assert(t.pair.layers[layer_of(&t.pair, "types")].is_quantized);
    ck_assert(!t.pair.layers[layer_of(&t.pair, "sum")].is_quantized);
    ck_assert_int_lt(layer_of(&t.pair, "swap"), 0); /* the layer before it in another order */
    clear(&t);
}
END_TEST

struct seen {
    double most[DSC_N_PAIR_ERRORS][8];
    int n_seen;
};

static enum dsc_status see(void *ctx, const struct dsc_node *n, const struct dsc_tensor *const *in,
                           struct dsc_tensor *const *out, struct dsc_err *err)
{
    struct seen *s = ctx;
    enum dsc_pair_error kind;
    int layer;

    if (dsc_pair_error_of(n, &kind, &layer)) {
        s->most[kind][layer] = largest(out[0]);
        s->n_seen++;
    }
    return DSC_OK;
}

static void run_seeing(const struct dsc_graph *g, const struct dsc_tensor *x, struct seen *s)
{
    const struct dsc_run r = {.after_node = see, .ctx = s};
    struct dsc_tensor out = {0};
    struct dsc_device *dev;
    struct dsc_session *session;

    OK(dsc_device_open(&dev, "cpu", 1, &err));
    OK(dsc_session_open(&session, g, dev, &err));
    OK(dsc_session_run(session, &r, x, &out, &err));
    dsc_tensor_clear(&out);
    dsc_session_close(session);
    dsc_device_close(dev);
}

/* Of the first layer both errors are one; the second adds its own to what comes in. */
START_TEST(errors_are_those_of_running_both)
{
    struct two t;
    struct dsc_graph *g;
    struct dsc_tensor x, want, got;
    struct seen s = {0};
    int one, two;

    quantize(&t, NULL);
    one = layer_of(&t.pair, "one/gemm");
    two = layer_of(&t.pair, "two");
    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){5, 6}, &err));
    fill_normal(&x, "x");
    run(t.ref, &x, &want);
    run(t.quant, &x, &got);
    OK(dsc_pair_compare(&t.pair, &g, &err));
    run_seeing(g, &x, &s);
    ck_assert_int_eq(s.n_seen, t.pair.n_layers + t.pair.n_quantized);
    ck_assert(s.most[DSC_PAIR_OWN][one] > 0);
    ck_assert(s.most[DSC_PAIR_OWN][one] == s.most[DSC_PAIR_RUN][one]);
    ck_assert(s.most[DSC_PAIR_OWN][two] > 0);
    ck_assert(s.most[DSC_PAIR_OWN][two] != s.most[DSC_PAIR_RUN][two]);
    for (int i = 0; i < 15; i++)
        ((float *)got.data)[i] -= ((const float *)want.data)[i];
    ck_assert(s.most[DSC_PAIR_RUN][two] == largest(&got));
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_graph_free(g);
    clear(&t);
}
END_TEST

static void mixed(struct two *t, const char *a, const char *b, const struct dsc_tensor *x,
                  struct dsc_tensor *y, int *n_codes)
{
    bool is_float[8] = {0};
    struct dsc_graph *g;

    is_float[layer_of(&t->pair, a)] = true;
    is_float[layer_of(&t->pair, b)] = true;
    OK(dsc_pair_mix(&t->pair, is_float, &g, &err));
    *n_codes = count(g, "QuantizeLinear");
    ck_assert_str_eq(g->values[g->outputs[0]].name, "y");
    run(g, x, y);
    dsc_graph_free(g);
}

START_TEST(layers_go_back_to_float_alone_and_together)
{
    struct two t, half;
    struct dsc_tensor x, want, got;
    int n_codes;

    quantize(&t, NULL);
    quantize(&half, "one/gemm");
    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){5, 6}, &err));
    fill_normal(&x, "x");
    run(t.ref, &x, &want);
    mixed(&t, "one/gemm", "two", &x, &got, &n_codes);
    near("all", &got, &want, 0, 0);
    ck_assert_int_eq(n_codes, 0);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    run(half.quant, &x, &want);
    mixed(&t, "one/gemm", "one/gemm", &x, &got, &n_codes);
    near("one", &got, &want, 0, 0);
    ck_assert_int_eq(n_codes, 1);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    clear(&t);
    clear(&half);
}
END_TEST

START_TEST(nodes_that_pass_for_errors_are_refused)
{
    struct two t;
    struct dsc_graph *g = NULL;
    struct dsc_err err = {0};

    quantize(&t, NULL);
    t.ref->nodes[1]->name = "dsc.pair.own/123456789";
    ck_assert_int_eq(dsc_pair_compare(&t.pair, &g, &err), DSC_E_UNSUPPORTED);
    ck_assert_ptr_null(g);
    clear(&t);
}
END_TEST

static void is_refused(const struct dsc_graph *a, const struct dsc_graph *b, const char *what)
{
    struct dsc_arena arena;
    struct dsc_pair pair;
    struct dsc_err err = {0};

    dsc_arena_init(&arena);
    ck_assert_int_eq(dsc_pair_match(a, b, &arena, &pair, &err), DSC_E_INCONSISTENT);
    ck_assert_msg(strstr(err.message, what) != NULL, "%s", err.message);
    dsc_arena_clear(&arena);
}

START_TEST(models_with_other_inputs_are_refused)
{
    struct dsc_graph *a = two_layers(), *b = encoder(), *c = two_layers();

    is_refused(a, b, "other inputs: 'ids'");
    input(c, "more", DSC_F32, 1, (int64_t[]){2});
    is_refused(a, c, "other inputs: 'more'");
    is_refused(c, a, "other inputs: 'more'");
    dsc_graph_free(a);
    dsc_graph_free(b);
    dsc_graph_free(c);
}
END_TEST

START_TEST(models_with_other_outputs_are_refused)
{
    struct dsc_graph *a = two_layers(), *b = copy(a);
    int z = a->nodes[1]->out[0];

    z = call(a, "Tanh", "more", 1, &z);
    OK(dsc_graph_output(a, z, &err));
    OK(dsc_graph_sort(a, false, &err));
    OK(dsc_graph_verify(a, &err));
    is_refused(a, b, "other outputs");
    dsc_graph_free(a);
    dsc_graph_free(b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pair");
    TCase *t = tcase_create("pair");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, quantized_products_are_layers_and_so_is_what_lies_between);
    tcase_add_test(t, lookups_of_codes_are_found_by_their_nodes);
    tcase_add_test(t, errors_are_those_of_running_both);
    tcase_add_test(t, layers_go_back_to_float_alone_and_together);
    tcase_add_test(t, nodes_that_pass_for_errors_are_refused);
    tcase_add_test(t, models_with_other_inputs_are_refused);
    tcase_add_test(t, models_with_other_outputs_are_refused);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
