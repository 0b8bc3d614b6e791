/*
 * The inference plan: fused graphs against the graphs that they were made of, on a transformer
 * layer of odd sizes, in float and on integers.
 */
#include "passes/fuse.h"
#include "quant_graphs.h"

#include <float.h>

enum mask { NO_MASK, BY_KEY, BY_HEAD, BY_PLACE, TWO_MASKS };

struct layer_case {
    int64_t batch, length, heads, size, wide; /* size: of a head; wide: of the feed-forward */
    enum mask mask;
    const char *act;
};

static const struct layer_case layers[] = {
    {2, 7, 3, 5, 13, BY_KEY, "Gelu"},        {1, 33, 2, 16, 50, BY_HEAD, "Relu"},
    {3, 1, 1, 3, 1, NO_MASK, "Tanh"},        {1, 140, 3, 32, 40, TWO_MASKS, "Gelu"},
    {2, 18, 5, 7, 300, BY_PLACE, "Sigmoid"}, {1, 150, 2, 24, 97, BY_KEY, "Gelu"},
};

enum { N_LAYERS = sizeof layers / sizeof layers[0], MAX_FEEDS = 3 };

static int i64s(struct dsc_graph *g, const char *name, int n, const int64_t *v)
{
    int id;

    OK(dsc_add_i64s(g, name, n, v, &id, &err));
    return id;
}

static int heads_of(struct dsc_graph *g, const char *name, int rows, int shape,
                    const struct dsc_type *type, const int64_t *perm)
{
    struct dsc_node *n;
    char text[32];
    int y;

    snprintf(text, sizeof text, "%s_split", name);
    rows = call(g, "Reshape", text, 2, (int[]){rows, shape});
    g->values[rows].type = *type; /* files say so */
    snprintf(text, sizeof text, "%s_heads", name);
    OK(dsc_graph_call(g, "", "Transpose", text, 1, &rows, &y, &n, &err));
    OK(dsc_node_set_ints(g, n, "perm", perm, 4, &err));
    return y;
}

/* A Gemm of x times factors, as smoothing leaves it. */
static int dense(struct dsc_graph *g, const char *name, int x, int64_t k, int64_t n)
{
    char text[3][32];

    for (int i = 0; i < 3; i++)
        snprintf(text[i], sizeof text[i], "%s_%c", name, "sbw"[i]);
    return gemm(
        g, name, 3,
        (int[]){x, weight(g, text[2], 2, (int64_t[]){n, k}), weight(g, text[1], 1, (int64_t[]){n})},
        true);
}

static int smoothed(struct dsc_graph *g, const char *name, int x, int64_t k)
{
    char text[32];

    snprintf(text, sizeof text, "%s_factors", name);
    return call(g, "Mul", name, 2, (int[]){x, weight(g, text, 1, &k)});
}

static int norm(struct dsc_graph *g, const char *name, int x, int64_t d)
{
    char gain[32], bias[32];

    snprintf(gain, sizeof gain, "%s_gain", name);
    snprintf(bias, sizeof bias, "%s_bias", name);
    return call(g, "LayerNormalization", name, 3,
                (int[]){x, weight(g, gain, 1, &d), weight(g, bias, 1, &d)});
}

static int masked(struct dsc_graph *g, const struct layer_case *c, int scores, const int64_t *sym)
{
    const int64_t dim[][4] = {{0},
                              {sym[0], 1, 1, sym[1]},
                              {1, c->heads, 1, sym[1]},
                              {sym[0], c->heads, sym[1], sym[1]},
                              {sym[0], 1, 1, sym[1]}};

    if (c->mask == NO_MASK)
        return scores;
    scores =
        call(g, "Add", "masked", 2, (int[]){scores, input(g, "mask", DSC_F32, 4, dim[c->mask])});
    if (c->mask == TWO_MASKS)
        scores = call(
            g, "Add", "placed", 2,
            (int[]){input(g, "places", DSC_F32, 3, (int64_t[]){c->heads, sym[1], sym[1]}), scores});
    return scores;
}

static int attention(struct dsc_graph *g, const struct layer_case *c, int x, int shape,
                     const int64_t *sym)
{
    const int64_t d = c->heads * c->size, swap[] = {0, 2, 1, 3}, turn[] = {0, 2, 3, 1};
    const struct dsc_type split = {DSC_F32, 4, {sym[0], sym[1], c->heads, c->size}};
    const int q = heads_of(g, "q", dense(g, "query", x, d, d), shape, &split, swap);
    const int k = heads_of(g, "k", dense(g, "key", x, d, d), shape, &split, turn);
    const int v = heads_of(g, "v", dense(g, "value", x, d, d), shape, &split, swap);
    struct dsc_tensor t;
    struct dsc_node *n;
    int scale, y, merged;

    OK(dsc_tensor_new(&t, DSC_F32, 0, NULL, &err));
    *(float *)t.data = 0.3f;
    OK(dsc_graph_init(g, "scale", &t, &scale, &err));
    dsc_tensor_clear(&t);
    y = call(g, "MatMul", "scores", 2, (int[]){q, k});
    y = call(g, "Mul", "scaled", 2, (int[]){y, scale});
    y = masked(g, c, y, sym);
    y = call(g, "Softmax", "probs", 1, &y);
    y = call(g, "MatMul", "context", 2, (int[]){y, v});
    OK(dsc_graph_call(g, "", "Transpose", "merge", 1, &y, &merged, &n, &err));
    OK(dsc_node_set_ints(g, n, "perm", swap, 4, &err));
    return call(g, "Reshape", "merged", 2,
                (int[]){merged, i64s(g, "rows_of_d", 2, (int64_t[]){-1, d})});
}

static struct dsc_graph *layer(const struct layer_case *c)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const int64_t d = c->heads * c->size;
    int64_t sym[2];
    int x, shape, y, h;

    OK(dsc_graph_symbol(g, "batch", &sym[0], &err));
    OK(dsc_graph_symbol(g, "sequence", &sym[1], &err));
    x = input(g, "x", DSC_F32, 3, (int64_t[]){sym[0], sym[1], d});
    shape = call(g, "Shape", "shape", 1, &x);
    shape = call(g, "Gather", "two", 2, (int[]){shape, i64s(g, "first", 2, (int64_t[]){0, 1})});
    shape = call(g, "Concat", "split", 2,
                 (int[]){shape, i64s(g, "sizes", 2, (int64_t[]){c->heads, c->size})});
    OK(dsc_node_set_int(g, g->nodes[g->n_nodes - 1], "axis", 0, &err));
    x = call(g, "Reshape", "flat", 2, (int[]){x, i64s(g, "to_rows", 2, (int64_t[]){-1, d})});
    x = norm(g, "norm0", x, d);
    y = attention(g, c, smoothed(g, "smooth0", x, d), shape, sym);
    y = dense(g, "out", smoothed(g, "smooth1", y, d), d, d);
    x = norm(g, "norm1", call(g, "Add", "residual1", 2, (int[]){y, x}), d);
    h = dense(g, "up", smoothed(g, "smooth2", x, d), d, c->wide);
    h = call(g, c->act, "act", 1, &h);
    h = dense(g, "down", smoothed(g, "smooth3", h, c->wide), c->wide, d);
    norm(g, "norm2", call(g, "Add", "residual2", 2, (int[]){x, h}), d);
    finish_building(g);
    return g;
}

/* ---- running ---- */

struct feeds {
    struct dsc_tensor t[MAX_FEEDS];
    int n;
};

static void make_feeds(const struct dsc_graph *g, const struct layer_case *c, struct feeds *f)
{
    const int64_t sizes[] = {c->batch, c->length};

    f->n = g->n_inputs;
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];
        int64_t dim[DSC_MAX_RANK];

        for (int k = 0; k < v->type.rank; k++)
            dim[k] = dsc_dim_is_symbol(v->type.dim[k]) ? sizes[dsc_dim_symbol_idx(v->type.dim[k])]
                                                       : v->type.dim[k];
        OK(dsc_tensor_new(&f->t[i], DSC_F32, v->type.rank, dim, &err));
        fill_normal(&f->t[i], v->name);
    }
}

static void clear_feeds(struct feeds *f)
{
    for (int i = 0; i < f->n; i++)
        dsc_tensor_clear(&f->t[i]);
}

static void run_on(const char *device, int n_threads, const struct dsc_graph *g,
                   const struct feeds *f, struct dsc_tensor *y)
{
    struct dsc_tensor out = {0}, there;
    struct dsc_device *dev;
    struct dsc_session *s;

    OK(dsc_device_open(&dev, device, n_threads, &err));
    OK(dsc_session_open(&s, g, dev, &err));
    OK(dsc_session_run(s, &(struct dsc_run){0}, f->t, &out, &err));
    OK(dsc_to_host(&there, &out, &err));
    OK(dsc_tensor_new(y, out.dtype, out.rank, out.dim, &err));
    memcpy(y->data, there.data, dsc_tensor_n_bytes(y));
    dsc_tensor_clear(&there);
    dsc_tensor_clear(&out);
    dsc_session_close(s);
    dsc_device_close(dev);
}

/* Equal bits, but any NaN equals any NaN. */
static void same_bits(const char *what, const struct dsc_tensor *a, const struct dsc_tensor *b)
{
    ck_assert_msg(dsc_tensor_same_shape(a, b), "%s: other shapes", what);
    for (int64_t i = 0; i < dsc_tensor_n_elems(a); i++) {
        const float x = ((const float *)a->data)[i], y = ((const float *)b->data)[i];

        ck_assert_msg(memcmp(&x, &y, sizeof x) == 0 || (isnan(x) && isnan(y)),
                      "%s[%d]: %.9g and %.9g", what, (int)i, (double)x, (double)y);
    }
}

static void everywhere_the_same(const char *what, const struct dsc_graph *g, const struct feeds *f,
                                const struct dsc_tensor *want)
{
    struct dsc_tensor y;

    for (int i = 0; i < 4; i++) {
        run_on(i == 3 ? "shadow" : "cpu", i == 3 ? 1 : i + 1, g, f, &y);
        same_bits(what, &y, want);
        dsc_tensor_clear(&y);
    }
}

static struct dsc_graph *quantized(const struct layer_case *l, const char *target_name)
{
    struct choice c = {.low = -4, .high = 3};
    struct dsc_graph *g = layer(l);

    OK(insert(g, target(target_name), &c, &err));
    OK(dsc_quant_finish(g, target(target_name), &err));
    return g;
}

/* ---- tests ---- */

START_TEST(fused_integer_layers_have_the_bits_of_the_steps)
{
    const struct layer_case *c = &layers[_i / 2];
    struct dsc_graph *g = quantized(c, _i % 2 ? "tensorrt" : "ort"), *fused;
    struct dsc_tensor y, z;
    struct feeds f;
    int n_int;

    make_feeds(g, c, &f);
    OK(dsc_quant_lower(g, &n_int, &err));
    ck_assert_int_eq(n_int, 6);
    fused = copy(g);
    OK(dsc_pass_fuse_quantize(fused, &err));
    OK(dsc_pass_fuse_product(fused, &err));
    OK(dsc_pass_fuse_norm(fused, &err));
    OK(dsc_graph_verify(fused, &err));
    ck_assert_int_eq(count(fused, "LayerNormalization") + count(fused, c->act), 0);
    ck_assert_int_eq(count(fused, "QuantizeLinear"), 0);
    ck_assert_int_eq(count(fused, "ScaleQuantize"), 1); /* of the attention's output */
    ck_assert_int_eq(count(fused, "AddNorm"), 3);
    for (int i = 0; i < 3; i++) {
        if (i == 1) /* a row that is no number, an infinite one */
            ((float *)f.t[0].data)[0] = NAN;
        if (i == 2)
            ((float *)f.t[0].data)[0] = INFINITY;
        run_on("cpu", 1, g, &f, &y);
        run_on("cpu", 2, fused, &f, &z);
        same_bits("fused", &z, &y);
        dsc_tensor_clear(&y);
        dsc_tensor_clear(&z);
    }
    run_on("cpu", 1, fused, &f, &y);
    everywhere_the_same("fused", fused, &f, &y);
    dsc_tensor_clear(&y);
    clear_feeds(&f);
    dsc_graph_free(g);
    dsc_graph_free(fused);
}
END_TEST

/* Within 1e-5 of the largest; NaN and infinities where they were. */
static void close_to(const char *what, const struct dsc_tensor *got, const struct dsc_tensor *want)
{
    double top = 1;

    ck_assert_msg(dsc_tensor_same_shape(got, want), "%s: other shapes", what);
    for (int64_t i = 0; i < dsc_tensor_n_elems(want); i++)
        if (isfinite(((const float *)want->data)[i]))
            top = fmax(top, fabs((double)((const float *)want->data)[i]));
    for (int64_t i = 0; i < dsc_tensor_n_elems(want); i++) {
        const double a = (double)((const float *)got->data)[i];
        const double b = (double)((const float *)want->data)[i];

        ck_assert_msg(a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-5 * top,
                      "%s[%d]: %.9g, not %.9g", what, (int)i, a, b);
    }
}

/* The first queries see no key, or only the first one. */
static void hide_keys(const struct layer_case *c, struct feeds *f, float hidden)
{
    struct dsc_tensor *t = &f->t[1];

    if (c->mask == NO_MASK)
        return;
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        ((float *)t->data)[i] = i < c->length ? hidden : 0;
    if (hidden == -1e4f)
        ((float *)t->data)[0] = 0;
}

START_TEST(a_fused_float_layer_stays_within_rounding)
{
    static const float hidden[] = {0, -1e4f, -FLT_MAX, -INFINITY};
    const struct layer_case *c = &layers[_i];
    struct dsc_graph *g = layer(c), *plan = copy(g);
    struct dsc_tensor y, z;
    struct feeds f;

    OK(dsc_pass_inference(plan, NULL, &err));
    ck_assert_int_eq(count(plan, "Attention"), 1);
    ck_assert_int_eq(count(plan, "AddNorm"), 2);
    ck_assert_int_eq(count(plan, "PackedGemm"), 6);
    ck_assert_int_eq(count(plan, "Gemm") + count(plan, c->act), 0);
    ck_assert_int_eq(count(plan, "Softmax") + count(plan, "Transpose") + count(plan, "MatMul"), 0);
    for (int i = 0; i < 4; i++) {
        make_feeds(g, c, &f);
        if (i > 0)
            hide_keys(c, &f, hidden[i]);
        run_on("cpu", 1, g, &f, &y);
        run_on("cpu", 2, plan, &f, &z);
        close_to("float", &z, &y);
        everywhere_the_same("float", plan, &f, &z);
        dsc_tensor_clear(&y);
        dsc_tensor_clear(&z);
        clear_feeds(&f);
    }
    dsc_graph_free(g);
    dsc_graph_free(plan);
}
END_TEST

START_TEST(a_bias_and_an_activation_join_a_packed_product)
{
    struct dsc_graph *g = two_layers(), *plan = copy(g);
    struct dsc_tensor x, y, z;

    OK(dsc_pass_inference(plan, NULL, &err));
    ck_assert_int_eq(plan->n_nodes, 2);
    ck_assert_int_eq(count(plan, "PackedGemm"), 2);
    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){67, 6}, &err));
    fill_normal(&x, "x");
    run(g, &x, &y);
    run(plan, &x, &z);
    close_to("two layers", &z, &y);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_tensor_clear(&z);
    dsc_graph_free(g);
    dsc_graph_free(plan);
}
END_TEST

START_TEST(steps_of_recurrent_layers_are_packed_products)
{
    static const char *const cells[] = {"LSTM", "GRU", "RNN"};
    static const float mean[] = {0.5f, -1, 2}, scale[] = {1, 0.25f, 3};
    const struct dsc_recurrent_spec spec = {.cell = cells[_i],
                                            .n_hidden = 21,
                                            .n_layers = 2,
                                            .n_steps = 6,
                                            .n_channels = 3,
                                            .mean = mean,
                                            .scale = scale,
                                            .n_outputs = 2};
    struct dsc_graph *g = dsc_graph_new(NULL), *plan;
    struct feeds f = {.n = 2};
    struct dsc_tensor y, z;

    OK(dsc_recurrent_build(g, &spec, &err));
    plan = copy(g);
    OK(dsc_pass_inference(plan, NULL, &err));
    ck_assert_int_eq(count(plan, "PackedRecurrent"), 2);
    ck_assert_int_eq(count(plan, cells[_i]), 0);
    OK(dsc_tensor_new(&f.t[0], DSC_F32, 3, (int64_t[]){5, 6, 3}, &err));
    fill_normal(&f.t[0], "x");
    OK(dsc_tensor_new(&f.t[1], DSC_I32, 1, (int64_t[]){5}, &err));
    for (int64_t i = 0; i < 5; i++)
        dsc_tensor_set_i64(&f.t[1], i, 1 + i * 5 % 6);
    run_on("cpu", 1, g, &f, &y);
    run_on("cpu", 2, plan, &f, &z);
    close_to(cells[_i], &z, &y);
    everywhere_the_same(cells[_i], plan, &f, &z);
    dsc_tensor_clear(&y);
    dsc_tensor_clear(&z);
    clear_feeds(&f);
    dsc_graph_free(g);
    dsc_graph_free(plan);
}
END_TEST

START_TEST(a_float_product_makes_codes_for_an_integer_one)
{
    struct choice choice = {.low = -4, .high = 3, .left_out = "up"};
    const struct layer_case *c = &layers[_i];
    struct dsc_graph *g = layer(c);
    struct dsc_tensor y;
    struct feeds f;
    int n_int;

    OK(insert(g, target("ort"), &choice, &err));
    OK(dsc_quant_finish(g, target("ort"), &err));
    OK(dsc_pass_inference(g, &n_int, &err));
    ck_assert_int_eq(n_int, 5);
    ck_assert_int_eq(count(g, "PackedGemm"), 1);
    ck_assert_int_eq(count(g, "QuantizeLinear"), 0);
    make_feeds(g, c, &f);
    run_on("cpu", 1, g, &f, &y);
    everywhere_the_same("mixed", g, &f, &y);
    dsc_tensor_clear(&y);
    clear_feeds(&f);
    dsc_graph_free(g);
}
END_TEST

START_TEST(the_plan_of_a_quantized_layer_is_the_same_everywhere)
{
    const struct layer_case *c = &layers[_i];
    struct dsc_graph *g = quantized(c, "ort");
    struct dsc_tensor y;
    struct feeds f;

    OK(dsc_pass_inference(g, NULL, &err));
    ck_assert_int_eq(count(g, "Attention"), 1);
    make_feeds(g, c, &f);
    run_on("cpu", 1, g, &f, &y);
    everywhere_the_same("quantized", g, &f, &y);
    dsc_tensor_clear(&y);
    clear_feeds(&f);
    dsc_graph_free(g);
}
END_TEST

START_TEST(scores_that_somebody_reads_are_made)
{
    struct dsc_graph *g = layer(&layers[0]);
    const int probs = dsc_graph_find_value(g, "probs_out");

    OK(dsc_graph_output(g, probs, &err));
    OK(dsc_graph_sort(g, true, &err));
    OK(dsc_pass_inference(g, NULL, &err));
    ck_assert_int_eq(count(g, "Attention"), 0);
    ck_assert_int_eq(count(g, "Softmax"), 1);
    dsc_graph_free(g);
}
END_TEST

START_TEST(a_value_with_other_readers_is_still_made)
{
    const struct layer_case *c = &layers[0];
    struct dsc_graph *g = quantized(c, "ort"), *plain;
    struct dsc_tensor y, z;
    struct feeds f;
    int also;

    make_feeds(g, c, &f);
    OK(dsc_quant_lower(g, NULL, &err));
    /* the graph's output becomes the sum of itself and of what would vanish: codes are one */
    also = dsc_graph_find_value(g, "act_out");
    ck_assert_int_ge(also, 0);
    for (int i = 0; i < g->n_outputs; i++)
        g->values[g->outputs[i]].is_output = false;
    g->outputs[0] = also;
    g->values[also].is_output = true;
    OK(dsc_graph_sort(g, true, &err));
    plain = copy(g);
    OK(dsc_pass_fuse_quantize(g, &err));
    OK(dsc_pass_fuse_product(g, &err));
    OK(dsc_pass_fuse_norm(g, &err));
    OK(dsc_graph_verify(g, &err));
    run_on("cpu", 1, plain, &f, &y);
    run_on("cpu", 1, g, &f, &z);
    same_bits("act", &z, &y);
    dsc_tensor_clear(&y);
    dsc_tensor_clear(&z);
    clear_feeds(&f);
    dsc_graph_free(g);
    dsc_graph_free(plain);
}
END_TEST

static int turned(struct dsc_graph *g, const char *name, int x, const int64_t *perm)
{
    struct dsc_node *n;
    int y;

    OK(dsc_graph_call(g, "", "Transpose", name, 1, &x, &y, &n, &err));
    OK(dsc_node_set_ints(g, n, "perm", perm, 4, &err));
    return y;
}

START_TEST(axes_of_tensors_of_unknown_rank_are_not_trusted)
{
    static const int64_t wild[] = {1, 1 << 30, -7, 2}, swap[] = {0, 2, 1, 3};
    const struct dsc_type unknown = {.dtype = DSC_F32, .rank = -1};
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x, y;

    OK(dsc_graph_value(g, "x", &unknown, &x, &err));
    OK(dsc_graph_input(g, x, &err));
    y = turned(g, "second", turned(g, "first", x, wild), wild);
    x = call(g, "Softmax", "probs", 1, (int[]){call(g, "MatMul", "scores", 2, (int[]){x, x})});
    turned(g, "out", call(g, "MatMul", "context", 2, (int[]){x, y}), swap);
    finish_building(g);
    OK(dsc_pass_inference(g, NULL, &err));
    ck_assert_int_eq(count(g, "Attention"), 0);
    dsc_graph_free(g);
}
END_TEST

START_TEST(a_second_run_of_the_plan_changes_nothing)
{
    struct dsc_graph *g = _i ? quantized(&layers[0], "ort") : layer(&layers[0]);
    char *once, *twice;

    OK(dsc_pass_inference(g, NULL, &err));
    once = text_of(g);
    OK(dsc_pass_inference(g, NULL, &err));
    twice = text_of(g);
    ck_assert_str_eq(once, twice);
    dsc_heap_free(once);
    dsc_heap_free(twice);
    dsc_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, fused_integer_layers_have_the_bits_of_the_steps, 0, 2 * N_LAYERS);
    tcase_add_loop_test(t, a_fused_float_layer_stays_within_rounding, 0, N_LAYERS);
    tcase_add_test(t, a_bias_and_an_activation_join_a_packed_product);
    tcase_add_loop_test(t, steps_of_recurrent_layers_are_packed_products, 0, 3);
    tcase_add_loop_test(t, a_float_product_makes_codes_for_an_integer_one, 0, N_LAYERS);
    tcase_add_loop_test(t, the_plan_of_a_quantized_layer_is_the_same_everywhere, 0, N_LAYERS);
    tcase_add_test(t, scores_that_somebody_reads_are_made);
    tcase_add_test(t, a_value_with_other_readers_is_still_made);
    tcase_add_test(t, axes_of_tensors_of_unknown_rank_are_not_trusted);
    tcase_add_loop_test(t, a_second_run_of_the_plan_changes_nothing, 0, 2);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
