/* Layers: found by structure, and gone as if their blocks gave 0. */
#include "dsc/prune.h"
#include "quant_graphs.h"

enum { ROWS = 2, TOKENS = 3, D = 6, INNER = 8 };

static int linear(struct dsc_graph *g, const char *name, int x, int64_t k, int64_t n)
{
    char w[48];

    snprintf(w, sizeof w, "%s.w", name);
    return call(g, "MatMul", name, 2, (int[]){x, weight(g, w, 2, (int64_t[]){k, n})});
}

static int norm(struct dsc_graph *g, const char *name, int x)
{
    char a[48], b[48];

    snprintf(a, sizeof a, "%s.gain", name);
    snprintf(b, sizeof b, "%s.shift", name);
    return call(g, "LayerNormalization", name, 3,
                (int[]){x, weight(g, a, 1, (int64_t[]){D}), weight(g, b, 1, (int64_t[]){D})});
}

/* One head, so that no Reshape is needed. */
static int attention(struct dsc_graph *g, const char *layer, int x, int mask)
{
    const int64_t swap[] = {0, 2, 1};
    char name[32];
    struct dsc_node *n;
    int q, k, v;

    snprintf(name, sizeof name, "%s.q", layer);
    q = linear(g, name, x, D, D);
    snprintf(name, sizeof name, "%s.k", layer);
    k = linear(g, name, x, D, D);
    snprintf(name, sizeof name, "%s.v", layer);
    v = linear(g, name, x, D, D);
    OK(dsc_graph_call(g, "", "Transpose", NULL, 1, (int[]){k}, &k, &n, &err));
    OK(dsc_node_set_ints(g, n, "perm", swap, 3, &err));
    snprintf(name, sizeof name, "%s.scores", layer);
    q = call(g, "MatMul", name, 2, (int[]){q, k});
    q = call(g, "Softmax", NULL, 1, (int[]){call(g, "Add", NULL, 2, (int[]){q, mask})});
    q = call(g, "MatMul", NULL, 2, (int[]){q, v});
    snprintf(name, sizeof name, "%s.out", layer);
    return linear(g, name, q, D, D);
}

static int ffn(struct dsc_graph *g, const char *layer, int x)
{
    char name[32];

    snprintf(name, sizeof name, "%s.up", layer);
    x = call(g, "Relu", NULL, 1, (int[]){linear(g, name, x, D, INNER)});
    snprintf(name, sizeof name, "%s.down", layer);
    return linear(g, name, x, INNER, D);
}

/* x + attention(norm(x)), x + ffn(norm(x)), n times; or norms behind the sums. A mask for all. */
static struct dsc_graph *encoder_of(int n_layers, bool is_norm_first, bool has_skip)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int64_t rows, tokens;
    int x, mask;

    OK(dsc_graph_symbol(g, "rows", &rows, &err));
    OK(dsc_graph_symbol(g, "tokens", &tokens, &err));
    x = input(g, "x", DSC_F32, 3, (int64_t[]){rows, tokens, D});
    mask = input(g, "mask", DSC_F32, 3, (int64_t[]){rows, 1, tokens});
    x = call(g, "Tanh", "start", 1, &x);
    for (int i = 0; i < n_layers; i++) {
        char name[16], one[32], two[32];
        int y;

        snprintf(name, sizeof name, "l%d", i);
        snprintf(one, sizeof one, "l%d.n1", i);
        snprintf(two, sizeof two, "l%d.n2", i);
        y = attention(g, name, is_norm_first ? norm(g, one, x) : x, mask);
        x = has_skip ? call(g, "Add", NULL, 2, (int[]){y, x}) : y;
        x = is_norm_first ? x : norm(g, one, x);
        y = ffn(g, name, is_norm_first ? norm(g, two, x) : x);
        x = call(g, "Add", NULL, 2, (int[]){x, y});
        x = is_norm_first ? x : norm(g, two, x);
    }
    x = is_norm_first ? norm(g, "end", x) : x;
    linear(g, "head", x, D, 2);
    finish_building(g);
    return g;
}

static void feed(struct dsc_tensor feeds[2])
{
    OK(dsc_tensor_new(&feeds[0], DSC_F32, 3, (int64_t[]){ROWS, TOKENS, D}, &err));
    OK(dsc_tensor_new(&feeds[1], DSC_F32, 3, (int64_t[]){ROWS, 1, TOKENS}, &err));
    fill_normal(&feeds[0], "x");
    fill_normal(&feeds[1], "mask");
}

static void find(struct dsc_graph *g, struct dsc_arena *arena, struct dsc_prune_layers *layers,
                 int n)
{
    dsc_arena_init(arena);
    OK(dsc_prune_find_layers(g, arena, layers, &err));
    ck_assert_int_eq(layers->n, n);
    for (int i = 0; i < n; i++) {
        char name[16];

        snprintf(name, sizeof name, "l%d.scores", i);
        ck_assert_str_eq(layers->items[i].name, name);
        ck_assert(i == 0 || layers->items[i].in == layers->items[i - 1].out);
    }
}

/* Without layer `gone`, and the graph in which its two blocks give 0. */
static void equals_blocks_of_zeros(int n_layers, int gone)
{
    struct dsc_graph *g = encoder_of(n_layers, true, true), *masked = copy(g);
    static const char *const ends[] = {"out", "down"};
    struct dsc_tensor feeds[2], want, got;
    struct dsc_prune_layers layers;
    struct dsc_arena arena;
    char name[32];

    for (int i = 0; i < 2; i++) {
        struct dsc_tensor zero;
        int id;

        snprintf(name, sizeof name, "l%d.%s.w", gone, ends[i]);
        id = dsc_graph_find_value(masked, name);
        OK(dsc_tensor_new(&zero, DSC_F32, 2, masked->values[id].init.dim, &err));
        OK(dsc_graph_set_init(masked, id, &zero, &err));
        dsc_tensor_clear(&zero);
    }
    find(g, &arena, &layers, n_layers);
    for (int i = 0; i < n_layers; i++)
        layers.items[i].stays = i != gone;
    OK(dsc_prune_choose_layers(&layers, 1.0 / n_layers, &err));
    OK(dsc_prune_cut_layers(g, &layers, &err));
    snprintf(name, sizeof name, "l%d.up.w", gone);
    ck_assert_int_lt(dsc_graph_find_value(g, name), 0);
    feed(feeds);
    run(masked, feeds, &want);
    run(g, feeds, &got);
    near("without a layer", &got, &want, 1e-5, 0);
    for (int i = 0; i < 2; i++)
        dsc_tensor_clear(&feeds[i]);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
    dsc_graph_free(masked);
}

START_TEST(norms_first_is_blocks_of_zeros)
{
    for (int gone = 0; gone < 3; gone++)
        equals_blocks_of_zeros(3, gone);
}
END_TEST

/* Weights are drawn by their names: without its top layers it is the model that has fewer. */
START_TEST(norms_last_is_the_model_with_fewer_layers)
{
    struct dsc_graph *g = encoder_of(4, false, true), *fewer = encoder_of(2, false, true);
    struct dsc_tensor feeds[2], want, got;
    struct dsc_prune_layers layers;
    struct dsc_arena arena;

    find(g, &arena, &layers, 4);
    OK(dsc_prune_choose_layers(&layers, 0.5, &err));
    ck_assert(!layers.items[1].is_gone && layers.items[2].is_gone && layers.items[3].is_gone);
    OK(dsc_prune_cut_layers(g, &layers, &err));
    feed(feeds);
    run(fewer, feeds, &want);
    run(g, feeds, &got);
    near("without two layers", &got, &want, 1e-6, 0);
    for (int i = 0; i < 2; i++)
        dsc_tensor_clear(&feeds[i]);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
    dsc_graph_free(fewer);
}
END_TEST

static void refused(struct dsc_graph *g, const char *why)
{
    struct dsc_prune_layers layers;
    struct dsc_err err = {0};
    struct dsc_arena arena;

    dsc_arena_init(&arena);
    ck_assert_int_eq(dsc_prune_find_layers(g, &arena, &layers, &err), DSC_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.message, why) != NULL, "'%s' does not say '%s'", err.message, why);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}

START_TEST(what_is_no_row_of_layers)
{
    struct dsc_graph *g = encoder_of(3, true, true);
    struct dsc_prune_layers layers;
    struct dsc_arena arena;

    refused(two_layers(), "no layers of attention");
    refused(encoder_of(3, true, false), "no layers of attention"); /* nothing runs past attention */
    refused(encoder_of(1, true, true), "layer");
    find(g, &arena, &layers, 3);
    ck_assert_int_eq(dsc_prune_choose_layers(&layers, 0.1, NULL), DSC_E_USAGE);
    OK(dsc_prune_choose_layers(&layers, 0.99, &err));
    ck_assert(!layers.items[0].is_gone && layers.n_gone == 2);
    layers.n_gone = 0;
    layers.items[1].stays = layers.items[2].stays = true;
    ck_assert_int_eq(dsc_prune_choose_layers(&layers, 0.7, NULL), DSC_E_USAGE);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);

    /* the first layer's values are read at the end, too: only the others are between two cuts */
    g = encoder_of(3, true, true);
    OK(dsc_graph_output(g, dsc_graph_find_value(g, "l0.up_out"), &err));
    OK(dsc_graph_sort(g, true, &err));
    dsc_arena_init(&arena);
    ck_assert_int_eq(dsc_prune_find_layers(g, &arena, &layers, NULL), DSC_E_UNSUPPORTED);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prune_layers");
    TCase *t = tcase_create("prune_layers");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_test(t, norms_first_is_blocks_of_zeros);
    tcase_add_test(t, norms_last_is_the_model_with_fewer_layers);
    tcase_add_test(t, what_is_no_row_of_layers);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
