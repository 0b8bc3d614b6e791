/*
 * Channels of convolutions: the graph without some computes what the graph with zeros at their
 * summed axes does, in groups, with norms and pools between them; and what is refused, and why.
 */
#include "prune_checks.h"

enum { IMAGES = 2, C = 3, UNITS = 6, SIDE = 7 };

static struct dsc_graph *begin(int *x)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int64_t images;

    OK(dsc_graph_symbol(g, "images", &images, &err));
    *x = input(g, "x", DSC_F32, 4, (int64_t[]){images, C, SIDE, SIDE});
    return g;
}

struct conv {
    const char *op, *name;
    int64_t n_in, n_out, side, n_groups;
    bool has_bias;
};

static int conv(struct dsc_graph *g, int x, const struct conv *c)
{
    const bool is_transposed = strcmp(c->op, "ConvTranspose") == 0;
    const int64_t first = is_transposed ? c->n_in : c->n_out;
    const int64_t second = (is_transposed ? c->n_out : c->n_in) / c->n_groups;
    char w[32], b[32];
    int y;

    snprintf(w, sizeof w, "%s.w", c->name);
    snprintf(b, sizeof b, "%s.b", c->name);
    y = call(g, c->op, c->name, 2 + c->has_bias,
             (int[]){x, weight(g, w, 4, (int64_t[]){first, second, c->side, c->side}),
                     c->has_bias ? weight(g, b, 1, &c->n_out) : DSC_NO_VALUE});
    OK(dsc_node_set_int(g, g->nodes[g->n_nodes - 1], "group", c->n_groups, &err));
    return y;
}

/* Constants above 0, as variances are. */
static int positive(struct dsc_graph *g, const char *name, int64_t n)
{
    const int id = weight(g, name, 1, &n);

    for (int64_t i = 0; i < n; i++)
        ((float *)g->values[id].init.data)[i] = 0.5f + fabsf(((float *)g->values[id].init.data)[i]);
    return id;
}

static int norm(struct dsc_graph *g, int x, int64_t n)
{
    return call(g, "BatchNormalization", "norm", 5,
                (int[]){x, weight(g, "gain", 1, &n), weight(g, "shift", 1, &n),
                        weight(g, "mean", 1, &n), positive(g, "var", n)});
}

static int pool(struct dsc_graph *g, const char *op, int x)
{
    const int y = call(g, op, NULL, 1, &x);

    OK(dsc_node_set_ints(g, g->nodes[g->n_nodes - 1], "kernel_shape", (int64_t[]){2, 2}, 2, &err));
    return y;
}

/* A layer on the flat image. */
static void head(struct dsc_graph *g, int x, int64_t n)
{
    x = call(g, "Flatten", NULL, 1, &x);
    gemm(g, "head", 3,
         (int[]){x, weight(g, "head.w", 2, (int64_t[]){4, n}),
                 weight(g, "head.b", 1, (int64_t[]){4})},
         true);
    finish_building(g);
}

static void check_images(struct dsc_graph *g, bool is_global, int n_groups)
{
    struct dsc_tensor x;

    OK(dsc_tensor_new(&x, DSC_F32, 4, (int64_t[]){IMAGES, C, SIDE, SIDE}, &err));
    fill_normal(&x, "x");
    check(g, &x, DSC_AXIS_CHANNELS, 0.5, is_global, n_groups, UNITS);
    dsc_tensor_clear(&x);
}

static int64_t group_of(const struct dsc_graph *g, const char *node)
{
    return dsc_node_int(g->nodes[dsc_graph_find_node(g, node)], "group", 1);
}

START_TEST(channels_with_norms_pools_and_a_head)
{
    int x;
    struct dsc_graph *g = begin(&x);

    x = conv(g, x, &(struct conv){"Conv", "one", C, UNITS, 3, 1, true});
    x = norm(g, x, UNITS);
    x = call(g, "Relu", NULL, 1, &x);
    x = pool(g, "MaxPool", x);
    x = conv(g, x, &(struct conv){"Conv", "two", UNITS, UNITS, 2, 1, false});
    head(g, pool(g, "AveragePool", x), 4 * UNITS);
    check_images(g, _i, 2);
    if (_i == 0) {
        ck_assert_int_eq(init_of(g, "one.w")->dim[0], UNITS / 2);
        ck_assert_int_eq(init_of(g, "one.b")->dim[0], UNITS / 2);
        ck_assert_int_eq(init_of(g, "var")->dim[0], UNITS / 2);
        ck_assert_int_eq(init_of(g, "two.w")->dim[0], UNITS / 2);
        ck_assert_int_eq(init_of(g, "two.w")->dim[1], UNITS / 2);
        ck_assert_int_eq(init_of(g, "head.w")->dim[1], 4 * UNITS / 2);
    }
    dsc_graph_free(g);
}
END_TEST

/* A skip connection: one group of the channels of both that are joined, each on its own. */
START_TEST(channels_that_are_joined_go_one_by_one)
{
    int x, skip;
    struct dsc_graph *g = begin(&x);

    skip = conv(g, x, &(struct conv){"Conv", "one", C, UNITS / 2, 3, 1, true});
    x = call(g, "Relu", NULL, 1, &skip);
    x = conv(g, x, &(struct conv){"Conv", "two", UNITS / 2, UNITS / 2, 1, 1, true});
    x = call(g, "Concat", "join", 2, (int[]){x, skip});
    OK(dsc_node_set_int(g, g->nodes[g->n_nodes - 1], "axis", 1, &err));
    x = norm(g, x, UNITS);
    x = call(g, "Pad", "pad", 2,
             (int[]){x, i64s(g, "pads", 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 0})});
    x = conv(g, x, &(struct conv){"Conv", "three", UNITS, UNITS, 3, 1, false});
    head(g, call(g, "GlobalAveragePool", NULL, 1, &x), UNITS);
    check_images(g, false, 2);
    ck_assert_int_eq(init_of(g, "one.w")->dim[0] + init_of(g, "two.w")->dim[0], UNITS / 2);
    ck_assert_int_eq(init_of(g, "two.w")->dim[1], init_of(g, "one.w")->dim[0]);
    ck_assert_int_eq(init_of(g, "three.w")->dim[1], UNITS / 2);
    ck_assert_int_eq(init_of(g, "var")->dim[0], UNITS / 2);
    dsc_graph_free(g);
}
END_TEST

/* Of what is joined, no part is lost as a whole, however little it is worth. */
START_TEST(of_each_that_is_joined_one_channel_stays)
{
    int x, skip;
    struct dsc_graph *g = begin(&x);
    struct dsc_tensor *w;
    struct look l;

    skip = conv(g, x, &(struct conv){"Conv", "one", C, UNITS / 2, 3, 1, true});
    x = conv(g, x, &(struct conv){"Conv", "two", C, UNITS / 2, 3, 1, true});
    x = call(g, "Concat", "join", 2, (int[]){x, skip});
    OK(dsc_node_set_int(g, g->nodes[g->n_nodes - 1], "axis", 1, &err));
    x = conv(g, x, &(struct conv){"Conv", "three", UNITS, 4, 3, 1, false});
    head(g, call(g, "GlobalAveragePool", NULL, 1, &x), 4);
    w = &g->values[dsc_graph_find_value(g, "one.w")].init;
    for (int64_t i = 0; i < dsc_tensor_n_elems(w); i++)
        ((float *)w->data)[i] *= 1e-6f;
    look(&l, g, DSC_AXIS_CHANNELS);
    OK(dsc_prune_choose(&l.groups, 0.9, false, &err));
    OK(dsc_prune_cut(g, &l.groups, &err));
    ck_assert_int_eq(init_of(g, "one.w")->dim[0], 1);
    ck_assert_int_eq(init_of(g, "two.w")->dim[0], 1);
    dsc_arena_clear(&l.arena);
    dsc_graph_free(g);
}
END_TEST

START_TEST(depthwise_channels_go_with_their_groups)
{
    int x;
    struct dsc_graph *g = begin(&x);

    x = conv(g, x, &(struct conv){"Conv", "one", C, UNITS, 2, 1, true});
    x = conv(g, x, &(struct conv){"Conv", "deep", UNITS, 2 * UNITS, 3, UNITS, true});
    x = call(g, "Relu", NULL, 1, &x);
    x = conv(g, x, &(struct conv){"Conv", "two", 2 * UNITS, UNITS, 1, 1, true});
    x = conv(g, x, &(struct conv){"ConvTranspose", "up", UNITS, 2 * UNITS, 2, UNITS, true});
    head(g, call(g, "GlobalAveragePool", NULL, 1, &x), 2 * UNITS);
    check_images(g, false, 2);
    ck_assert_int_eq(init_of(g, "deep.w")->dim[0], UNITS);
    ck_assert_int_eq(init_of(g, "up.w")->dim[0], UNITS / 2);
    ck_assert_int_eq(init_of(g, "up.b")->dim[0], UNITS);
    ck_assert_int_eq(group_of(g, "deep"), UNITS / 2);
    ck_assert_int_eq(group_of(g, "up"), UNITS / 2);
    dsc_graph_free(g);
}
END_TEST

START_TEST(groups_lose_the_same_places)
{
    int x;
    struct dsc_graph *g = begin(&x);

    x = conv(g, x, &(struct conv){"Conv", "one", C, 2 * UNITS, 2, 1, true});
    x = conv(g, x, &(struct conv){"Conv", "two", 2 * UNITS, 2 * UNITS, 3, 2, true});
    x = conv(g, x, &(struct conv){"ConvTranspose", "up", 2 * UNITS, 2 * UNITS, 2, 2, true});
    head(g, call(g, "GlobalMaxPool", NULL, 1, &x), 2 * UNITS);
    check_images(g, false, 3);
    ck_assert_int_eq(init_of(g, "two.w")->dim[0], UNITS);
    ck_assert_int_eq(init_of(g, "two.w")->dim[1], UNITS / 2);
    ck_assert_int_eq(init_of(g, "up.w")->dim[0], UNITS);
    ck_assert_int_eq(init_of(g, "up.w")->dim[1], UNITS / 2);
    ck_assert_int_eq(group_of(g, "two"), 2);
    ck_assert_int_eq(group_of(g, "up"), 2);
    dsc_graph_free(g);
}
END_TEST

START_TEST(a_sum_ties_its_channels)
{
    int x, y;
    struct dsc_graph *g = begin(&x);

    x = conv(g, x, &(struct conv){"Conv", "one", C, UNITS, 3, 1, true});
    y = conv(g, x, &(struct conv){"Conv", "two", UNITS, UNITS, 1, 1, true});
    x = call(g, "Add", NULL, 2, (int[]){y, x});
    head(g, call(g, "GlobalAveragePool", NULL, 1, &x), UNITS);
    check_images(g, false, 1);
    dsc_graph_free(g);
}
END_TEST

START_TEST(what_channels_refuses)
{
    int64_t images, any;
    int x;
    struct dsc_graph *g = begin(&x);

    head(g, x, (int64_t)C * SIDE * SIDE);
    refused(g, DSC_AXIS_CHANNELS, "the model has no convolution");
    g = begin(&x);
    conv(g, x, &(struct conv){"Conv", "one", C, UNITS, 3, 1, true});
    finish_building(g);
    refused(g, DSC_AXIS_CHANNELS, "it reaches the output 'y'");
    g = begin(&x);
    x = conv(g, x, &(struct conv){"Conv", "one", C, UNITS, 3, 1, true});
    x = call(g, "Transpose", NULL, 1, &x);
    OK(dsc_node_set_ints(g, g->nodes[g->n_nodes - 1], "perm", (int64_t[]){0, 2, 1, 3}, 4, &err));
    x = conv(g, x, &(struct conv){"Conv", "two", SIDE - 2, UNITS, 3, 1, true});
    finish_building(g);
    refused(g, DSC_AXIS_CHANNELS, "Conv 'two' slides along the axis");
    g = begin(&x);
    OK(dsc_graph_symbol(g, "images", &images, &err));
    OK(dsc_graph_symbol(g, "any", &any, &err));
    x = conv(g, x, &(struct conv){"Conv", "one", C, UNITS, 3, 1, true});
    x = call(g, "Concat", "join", 2,
             (int[]){x, input(g, "z", DSC_F32, 4, (int64_t[]){images, any, SIDE - 2, SIDE - 2})});
    OK(dsc_node_set_int(g, g->nodes[g->n_nodes - 1], "axis", 1, &err));
    call(g, "GlobalAveragePool", NULL, 1, &x);
    finish_building(g);
    refused(g, DSC_AXIS_CHANNELS, "Concat 'join' joins a value of a size that is not known");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prune_channels");
    TCase *t = tcase_create("prune_channels");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, channels_with_norms_pools_and_a_head, 0, 2);
    tcase_add_test(t, channels_that_are_joined_go_one_by_one);
    tcase_add_test(t, of_each_that_is_joined_one_channel_stays);
    tcase_add_test(t, depthwise_channels_go_with_their_groups);
    tcase_add_test(t, groups_lose_the_same_places);
    tcase_add_test(t, a_sum_ties_its_channels);
    tcase_add_test(t, what_channels_refuses);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
