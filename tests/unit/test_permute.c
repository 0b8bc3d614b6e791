/* Channels in another order: the mask keeps what it can, and the graph computes what it did. */
#include "dsc/prune.h"
#include "formats_model.h"
#include "formats_npz.h"
#include "quant_graphs.h"

enum { N_IN = 6, N_HIDDEN = 16, N_OUT = 3, N_ROWS = 5 };

static struct dsc_graph *layers(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){N_ROWS, N_IN});

    x = call(g, "MatMul", "one", 2, (int[]){x, weight(g, "w1", 2, (int64_t[]){N_IN, N_HIDDEN})});
    x = call(g, "Add", "add", 2, (int[]){weight(g, "b1", 1, (int64_t[]){N_HIDDEN}), x});
    x = call(g, "Relu", "relu", 1, &x);
    gemm(g, "two", 3,
         (int[]){x, weight(g, "w2", 2, (int64_t[]){N_OUT, N_HIDDEN}),
                 weight(g, "b2", 1, (int64_t[]){N_OUT})},
         true);
    finish_building(g);
    return g;
}

static void outputs(const struct dsc_graph *g, struct dsc_device *dev, struct dsc_tensor *y)
{
    const struct dsc_run how = {.n_examples = N_ROWS};
    struct dsc_session *s;
    struct dsc_tensor x;

    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){N_ROWS, N_IN}, &err));
    fill_normal(&x, "rows");
    OK(dsc_session_open(&s, g, dev, &err));
    OK(dsc_session_run(s, &how, &x, y, &err));
    dsc_session_close(s);
    dsc_tensor_clear(&x);
}

/* Sum of the magnitudes of w2, of all or of what is not 0 after the mask. */
static double sum_of(const struct dsc_graph *g)
{
    const struct dsc_tensor *t = init_of((struct dsc_graph *)g, "w2");
    double sum = 0;

    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        sum += fabs(dsc_tensor_get_f64(t, i));
    return sum;
}

static void permute(struct dsc_graph *g, const char *pattern, struct dsc_arena *arena,
                    struct dsc_prune_weights *w, struct dsc_mask_pattern *p,
                    struct dsc_prune_order *o)
{
    struct dsc_axis_groups groups;

    OK(dsc_mask_pattern_parse(pattern, p, &err));
    OK(dsc_prune_find(g, p, NULL, NULL, arena, w, &err));
    OK(dsc_prune_find_axes(g, DSC_AXIS_FFN, NULL, NULL, arena, &groups, &err));
    OK(dsc_prune_permute(g, p, w, &groups.items[0], o, &err));
}

static const char *const patterns[] = {"2:4", "1:4", "4:8"};

START_TEST(another_order_computes_the_same_and_keeps_more)
{
    struct dsc_graph *g = layers();
    struct dsc_tensor before, after;
    struct dsc_prune_weights w;
    struct dsc_mask_pattern p;
    struct dsc_prune_order o;
    struct dsc_arena arena = {0};
    struct dsc_device *dev;
    int64_t n_changed;

    OK(dsc_device_open(&dev, "cpu", 1, &err));
    outputs(g, dev, &before);
    permute(g, patterns[_i], &arena, &w, &p, &o);
    ck_assert_ptr_null(o.why);
    ck_assert_double_eq_tol(o.all, sum_of(g), 1e-4);
    ck_assert(o.kept > o.kept_before && o.kept < o.all);
    outputs(g, dev, &after);
    for (int i = 0; i < N_ROWS * N_OUT; i++)
        ck_assert_double_eq_tol(dsc_tensor_get_f64(&after, i), dsc_tensor_get_f64(&before, i),
                                1e-5);
    OK(dsc_prune_mask(g, &p, 0, false, &w, &n_changed, &err));
    ck_assert_double_eq_tol(sum_of(g), o.kept, 1e-4);
    dsc_tensor_clear(&before);
    dsc_tensor_clear(&after);
    dsc_device_close(dev);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}
END_TEST

/* The first half of the channels is large: half of each stripe can be. */
START_TEST(large_channels_are_spread)
{
    struct dsc_graph *g = layers();
    struct dsc_prune_weights w;
    struct dsc_mask_pattern p;
    struct dsc_prune_order o;
    struct dsc_arena arena = {0};

    for (int i = 0; i < N_OUT * N_HIDDEN; i++)
        ((float *)init_of(g, "w2")->data)[i] = i % N_HIDDEN < N_HIDDEN / 2 ? 5 : 1;
    permute(g, "2:4", &arena, &w, &p, &o);
    ck_assert_double_eq_tol(o.kept_before, N_OUT * (4 * 5 + 4 * 1), 1e-6);
    ck_assert_double_eq_tol(o.kept, N_OUT * 8 * 5, 1e-6);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}
END_TEST

START_TEST(channels_that_do_not_fit_stay)
{
    struct dsc_graph *g = two_layers(); /* 4 hidden channels */
    struct dsc_prune_weights w;
    struct dsc_mask_pattern p;
    struct dsc_prune_order o;
    struct dsc_arena arena = {0};

    permute(g, "1:3", &arena, &w, &p, &o);
    ck_assert_str_eq(o.why, "no weight that is pruned sums over it");
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}
END_TEST

static void run_model(const struct dsc_graph *g, struct dsc_device *dev, struct dsc_bundle *in,
                      struct dsc_tensor *y)
{
    struct dsc_tensor feeds[8] = {0};
    struct dsc_run how = {0};
    struct dsc_session *s;

    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_tensor *t = dsc_bundle_find(in, g->values[g->inputs[i]].name);

        ck_assert_ptr_nonnull(t);
        feeds[i] = *t;
        how.n_examples = t->dim[0];
    }
    OK(dsc_session_open(&s, g, dev, &err));
    OK(dsc_session_run(s, &how, feeds, y, &err));
    dsc_session_close(s);
}

/* Neurons of both layers, and the residual stream through norms, embeddings and attention. */
START_TEST(an_encoder_computes_the_same)
{
    static const enum dsc_axis_pattern kinds[] = {DSC_AXIS_FFN, DSC_AXIS_HIDDEN};
    const struct dsc_mask_pattern p = {.kind = DSC_MASK_GROUPS, .n = 2, .m = 4};
    struct dsc_tensor before[4] = {0}, after[4] = {0};
    struct dsc_prune_weights w;
    struct dsc_arena arena = {0};
    struct dsc_device *dev;
    struct dsc_bundle in;
    struct dsc_model m;
    char path[512];
    int n_done = 0;

    snprintf(path, sizeof path, "%s/hf/bert/cls", getenv("GOLDEN"));
    OK(dsc_model_open_graph(&m, path, NULL, &err));
    snprintf(path, sizeof path, "%s/hf/bert/cls.short.in.npz", getenv("GOLDEN"));
    dsc_bundle_init(&in);
    OK(dsc_npz_read(&in, path, 0, &err));
    OK(dsc_device_open(&dev, "cpu", 1, &err));
    ck_assert_int_le(m.graph->n_outputs, 4);
    run_model(m.graph, dev, &in, before);
    OK(dsc_prune_learn_sizes(m.graph, &err));
    OK(dsc_prune_find(m.graph, &p, NULL, NULL, &arena, &w, &err));
    for (int k = 0; k < 2; k++) {
        struct dsc_axis_groups groups;

        OK(dsc_prune_find_axes(m.graph, kinds[k], NULL, NULL, &arena, &groups, &err));
        for (int i = 0; i < groups.n; i++) {
            struct dsc_prune_order o;

            OK(dsc_prune_permute(m.graph, &p, &w, &groups.items[i], &o, &err));
            n_done += !o.why && o.kept > o.kept_before;
        }
    }
    ck_assert_int_eq(n_done, 4); /* two layers, the pooler, the stream */
    run_model(m.graph, dev, &in, after);
    for (int k = 0; k < m.graph->n_outputs; k++) {
        for (int64_t i = 0; i < dsc_tensor_n_elems(&before[k]); i++)
            ck_assert_double_eq_tol(dsc_tensor_get_f64(&after[k], i),
                                    dsc_tensor_get_f64(&before[k], i), 1e-5);
        dsc_tensor_clear(&before[k]);
        dsc_tensor_clear(&after[k]);
    }
    dsc_device_close(dev);
    dsc_bundle_clear(&in);
    dsc_model_close(&m);
    dsc_arena_clear(&arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("permute");
    TCase *t = tcase_create("permute");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, another_order_computes_the_same_and_keeps_more, 0,
                        (int)(sizeof patterns / sizeof patterns[0]));
    tcase_add_test(t, large_channels_are_spread);
    tcase_add_test(t, channels_that_do_not_fit_stay);
    tcase_add_test(t, an_encoder_computes_the_same);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
