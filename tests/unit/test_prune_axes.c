/*
 * Structured pruning: the graph without some units computes what the graph with zeros at their
 * summed axes does, whatever way layers are written; and what is refused, and why.
 */
#include "dsc/bundle.h"
#include "formats_model.h"
#include "formats_npz.h"
#include "prune_checks.h"

enum { ROWS = 3, TOKENS = 4, D = 8, HEADS = 4, INNER = 10 };

static int number(struct dsc_graph *g, const char *name, float v)
{
    struct dsc_tensor t;
    int id;

    OK(dsc_tensor_new(&t, DSC_F32, 0, NULL, &err));
    *(float *)t.data = v;
    OK(dsc_graph_init(g, name, &t, &id, &err));
    dsc_tensor_clear(&t);
    return id;
}

/* On normal inputs; integers are 0, 1, 2 .. */
static void check_drawn(struct dsc_graph *g, enum dsc_axis_pattern p, double sparsity,
                        bool is_global, int n_groups, int n_units)
{
    struct dsc_tensor x;

    OK(dsc_tensor_new(&x, DSC_F32, 3, (int64_t[]){ROWS, TOKENS, D}, &err));
    fill_normal(&x, "x");
    check(g, &x, p, sparsity, is_global, n_groups, n_units);
    dsc_tensor_clear(&x);
}

/* ---- inner widths ---- */

static struct dsc_graph *begin(int *x)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int64_t rows, tokens;

    OK(dsc_graph_symbol(g, "rows", &rows, &err));
    OK(dsc_graph_symbol(g, "tokens", &tokens, &err));
    *x = input(g, "x", DSC_F32, 3, (int64_t[]){rows, tokens, D});
    return g;
}

/* MatMul [K,N] and Add, as exporters write a Linear of three axes. */
static int linear(struct dsc_graph *g, const char *name, int x, int64_t k, int64_t n)
{
    char w[32], b[32];

    snprintf(w, sizeof w, "%s.w", name);
    snprintf(b, sizeof b, "%s.b", name);
    x = call(g, "MatMul", name, 2, (int[]){x, weight(g, w, 2, (int64_t[]){k, n})});
    return call(g, "Add", NULL, 2, (int[]){weight(g, b, 1, (int64_t[]){n}), x});
}

/* The erf form of Gelu, piece by piece. */
static int pieces(struct dsc_graph *g, int x)
{
    int y = call(g, "Div", NULL, 2, (int[]){x, number(g, "root", 1.41421356f)});

    y = call(g, "Erf", NULL, 1, &y);
    y = call(g, "Add", NULL, 2, (int[]){y, number(g, "one", 1)});
    y = call(g, "Mul", NULL, 2, (int[]){number(g, "half", 0.5f), y});
    return call(g, "Mul", NULL, 2, (int[]){x, y});
}

START_TEST(ffn_of_matmul_and_add)
{
    int x;
    struct dsc_graph *g = begin(&x);

    x = call(g, "Add", NULL, 2,
             (int[]){x, linear(g, "two", pieces(g, linear(g, "one", x, D, INNER)), INNER, D)});
    linear(g, "three", x, D, 2);
    finish_building(g);
    check_drawn(g, DSC_AXIS_FFN, 0.5, false, 1, INNER);
    ck_assert_int_eq(init_of(g, "one.w")->dim[1], INNER / 2);
    ck_assert_int_eq(init_of(g, "one.b")->dim[0], INNER / 2);
    ck_assert_int_eq(init_of(g, "two.w")->dim[0], INNER / 2);
    ck_assert_int_eq(init_of(g, "two.b")->dim[0], D);
    dsc_graph_free(g);
}
END_TEST

/* Rows by Reshape, Gemm with [N,K] and [K,N] weights, a Dropout between them. */
static struct dsc_graph *rows_of_gemm(void)
{
    int x;
    struct dsc_graph *g = begin(&x);

    x = call(g, "Reshape", "flat", 2, (int[]){x, i64s(g, "flat.shape", 2, (int64_t[]){-1, D})});
    x = gemm(g, "one", 3,
             (int[]){x, weight(g, "w1", 2, (int64_t[]){INNER, D}),
                     weight(g, "b1", 1, (int64_t[]){INNER})},
             true);
    x = call(g, "Gelu", "act", 1, &x);
    x = call(g, "Dropout", "drop", 2, (int[]){x, number(g, "rate", 0.1f)});
    gemm(g, "two", 3,
         (int[]){x, weight(g, "w2", 2, (int64_t[]){INNER, 3}), weight(g, "b2", 1, (int64_t[]){3})},
         false);
    finish_building(g);
    return g;
}

START_TEST(ffn_of_gemm)
{
    struct dsc_graph *g = rows_of_gemm();

    check_drawn(g, DSC_AXIS_FFN, 0.3, false, 1, INNER);
    ck_assert_int_eq(init_of(g, "w1")->dim[0], INNER - 3);
    ck_assert_int_eq(init_of(g, "w2")->dim[0], INNER - 3);
    dsc_graph_free(g);
}
END_TEST

START_TEST(a_gate_shrinks_with_what_it_gates)
{
    int x, gate;
    struct dsc_graph *g = begin(&x);

    gate = linear(g, "gate", x, D, INNER);
    gate = call(g, "Mul", NULL, 2, (int[]){gate, call(g, "Sigmoid", NULL, 1, &gate)});
    x = call(g, "Mul", NULL, 2, (int[]){linear(g, "up", x, D, INNER), gate});
    linear(g, "down", x, INNER, 3);
    finish_building(g);
    check_drawn(g, DSC_AXIS_FFN, 0.5, false, 1, INNER);
    ck_assert_int_eq(init_of(g, "gate.w")->dim[1], INNER / 2);
    ck_assert_int_eq(init_of(g, "up.b")->dim[0], INNER / 2);
    dsc_graph_free(g);
}
END_TEST

/* Three in a row: two groups that meet in one weight, which shrinks along both axes. */
START_TEST(a_weight_between_two_widths_shrinks_twice)
{
    int x;
    struct dsc_graph *g = begin(&x);

    x = linear(g, "one", x, D, INNER);
    x = call(g, "Relu", NULL, 1, &x);
    x = linear(g, "two", x, INNER, INNER);
    x = call(g, "Tanh", NULL, 1, &x);
    linear(g, "three", x, INNER, 3);
    finish_building(g);
    check_drawn(g, DSC_AXIS_FFN, 0.4, true, 2, INNER);
    dsc_graph_free(g);
}
END_TEST

/* [.., 10] as [.., 2, 5]: five go together, since one axis has to carry them. */
START_TEST(what_is_split_goes_by_the_outer_axis)
{
    int x;
    struct dsc_graph *g = begin(&x);

    x = linear(g, "one", x, D, INNER);
    x = call(g, "Reshape", "split", 2,
             (int[]){x, i64s(g, "s", 4, (int64_t[]){0, 0, 2, INNER / 2})});
    x = call(g, "Relu", NULL, 1, &x);
    x = call(g, "Reshape", "merge", 2, (int[]){x, i64s(g, "m", 3, (int64_t[]){0, 0, INNER})});
    linear(g, "two", x, INNER, 3);
    finish_building(g);
    check_drawn(g, DSC_AXIS_FFN, 0.5, false, 1, 2);
    ck_assert_int_eq(init_of(g, "one.w")->dim[1], INNER / 2);
    dsc_graph_free(g);
}
END_TEST

START_TEST(what_ffn_refuses)
{
    int x, y;
    struct dsc_graph *g = begin(&x);

    linear(g, "one", x, D, INNER);
    finish_building(g);
    refused(g, DSC_AXIS_FFN, "it reaches the output 'y'");

    g = begin(&x);
    y = linear(g, "one", x, D, INNER);
    y = call(g, "LayerNormalization", "norm", 3,
             (int[]){y, weight(g, "gain", 1, (int64_t[]){INNER}),
                     weight(g, "shift", 1, (int64_t[]){INNER})});
    linear(g, "two", y, INNER, 3);
    finish_building(g);
    refused(g, DSC_AXIS_FFN, "LayerNormalization 'norm' normalises the axis");

    g = begin(&x);
    y = linear(g, "one", x, D, D);
    y = call(g, "Add", NULL, 2, (int[]){y, x});
    linear(g, "two", y, D, 3);
    finish_building(g);
    refused(g, DSC_AXIS_FFN, "it reaches the input 'x'");

    g = begin(&x);
    y = call(g, "Softmax", "soft", 1, (int[]){linear(g, "one", x, D, INNER)});
    linear(g, "two", y, INNER, 3);
    finish_building(g);
    refused(g, DSC_AXIS_FFN, "Softmax 'soft' computes along the axis");

    g = begin(&x);
    y = call(g, "CumSum", "sums", 2,
             (int[]){linear(g, "one", x, D, INNER), i64s(g, "axis", 1, (int64_t[]){1})});
    linear(g, "two", y, INNER, 3);
    finish_building(g);
    refused(g, DSC_AXIS_FFN, "CumSum 'sums' has no rule of pruning");
}
END_TEST

/* x W W^T: the axis that one product makes is the one that the other sums over. */
START_TEST(a_tied_weight_is_refused)
{
    int x, w;
    struct dsc_graph *g = begin(&x);

    x = call(g, "Reshape", "flat", 2, (int[]){x, i64s(g, "flat.shape", 2, (int64_t[]){-1, D})});
    w = weight(g, "w", 2, (int64_t[]){D, INNER});
    x = gemm(g, "one", 2, (int[]){x, w}, false);
    x = call(g, "Relu", NULL, 1, &x);
    gemm(g, "two", 2, (int[]){x, w}, true);
    finish_building(g);
    refused(g, DSC_AXIS_FFN, "reads a weight in a second role");
}
END_TEST

/* ---- heads ---- */

static int transposed(struct dsc_graph *g, int x, const int64_t *perm, int n)
{
    struct dsc_node *node;
    int out;

    OK(dsc_graph_call(g, "", "Transpose", NULL, 1, &x, &out, &node, &err));
    OK(dsc_node_set_ints(g, node, "perm", perm, n, &err));
    return out;
}

static int soft_product(struct dsc_graph *g, int q, int k, int v, int mask)
{
    int s = call(g, "MatMul", "scores", 2, (int[]){q, k});

    s = call(g, "Mul", NULL, 2, (int[]){s, number(g, "scale", 0.7f)});
    s = call(g, "Add", NULL, 2, (int[]){s, mask});
    s = call(g, "Softmax", NULL, 1, &s);
    return call(g, "MatMul", "context", 2, (int[]){s, v});
}

/* [rows, tokens, D] and shapes that are constants, with 0 for what is copied. */
static struct dsc_graph *attention(void)
{
    static const int64_t by_head[] = {0, 2, 1, 3}, keys_last[] = {0, 2, 3, 1};
    int x, q, k, v, split;
    struct dsc_graph *g = begin(&x);

    split = i64s(g, "split", 4, (int64_t[]){0, 0, HEADS, D / HEADS});
    q = call(g, "Reshape", NULL, 2, (int[]){linear(g, "q", x, D, D), split});
    k = call(g, "Reshape", NULL, 2, (int[]){linear(g, "k", x, D, D), split});
    v = call(g, "Reshape", NULL, 2, (int[]){linear(g, "v", x, D, D), split});
    q = soft_product(g, transposed(g, q, by_head, 4), transposed(g, k, keys_last, 4),
                     transposed(g, v, by_head, 4),
                     weight(g, "mask", 4, (int64_t[]){1, HEADS, 1, TOKENS}));
    q = call(g, "Reshape", "merge", 2,
             (int[]){transposed(g, q, by_head, 4), i64s(g, "merged", 3, (int64_t[]){0, 0, D})});
    linear(g, "out", q, D, 3);
    finish_building(g);
    return g;
}

START_TEST(heads_of_shapes_that_are_constants)
{
    struct dsc_graph *g = attention();

    check_drawn(g, DSC_AXIS_HEADS, 0.5, false, 1, HEADS);
    ck_assert_int_eq(init_of(g, "q.w")->dim[1], D / 2);
    ck_assert_int_eq(init_of(g, "k.b")->dim[0], D / 2);
    ck_assert_int_eq(init_of(g, "out.w")->dim[0], D / 2);
    ck_assert_int_eq(init_of(g, "mask")->dim[1], HEADS / 2);
    dsc_graph_free(g);
}
END_TEST

/* Each head in its own order, the largest first; the graph computes the same, then goes on without
 * the least. */
START_TEST(channels_of_heads)
{
    struct dsc_graph *g = attention();
    const struct dsc_tensor *w;
    struct dsc_tensor x, before, after;
    struct look l;

    OK(dsc_tensor_new(&x, DSC_F32, 3, (int64_t[]){ROWS, TOKENS, D}, &err));
    fill_normal(&x, "x");
    run(g, &x, &before);
    look(&l, g, DSC_AXIS_HEAD_SIZE);
    ck_assert_int_eq(l.groups.n_chosen, 2);
    OK(dsc_prune_align_heads(g, &l.groups, &err));
    run(g, &x, &after);
    near("aligned", &after, &before, 1e-5, 1e-6);
    w = init_of(g, "out.w");
    for (int h = 0; h < HEADS; h++) {
        double squares[D / HEADS] = {0};

        for (int j = 0; j < D / HEADS; j++) {
            const int f = h * (D / HEADS) + j;

            for (int k = 0; k < 3; k++)
                squares[j] += pow(dsc_tensor_get_f64(w, f * 3 + k), 2);
            for (int k = 0; k < D; k++)
                squares[j] += pow(dsc_tensor_get_f64(init_of(g, "v.w"), k * D + f), 2);
            squares[j] += pow(dsc_tensor_get_f64(init_of(g, "v.b"), f), 2);
        }
        ck_assert_double_ge(squares[0], squares[1]);
    }
    dsc_arena_clear(&l.arena);
    check(g, &x, DSC_AXIS_HEAD_SIZE, 0.5, false, 2, D / HEADS);
    ck_assert_int_eq(init_of(g, "q.w")->dim[1], D / 2);
    ck_assert_int_eq(init_of(g, "v.b")->dim[0], D / 2);
    ck_assert_int_eq(init_of(g, "out.w")->dim[0], D / 2);
    ck_assert_int_eq(init_of(g, "mask")->dim[1], HEADS);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&before);
    dsc_tensor_clear(&after);
    dsc_graph_free(g);
}
END_TEST

/* Shapes are joined from computed and constant parts, and stand for several Reshapes. */
START_TEST(heads_of_shapes_that_are_joined)
{
    static const int64_t by_head[] = {0, 2, 1, 3}, keys_last[] = {0, 2, 3, 1};
    int x, q, k, v, sizes, split, merged;
    struct dsc_graph *g = begin(&x);
    struct dsc_node *n;

    sizes = call(g, "Shape", NULL, 1, &x);
    sizes = call(g, "Gather", NULL, 2, (int[]){sizes, i64s(g, "first", 2, (int64_t[]){0, 1})});
    OK(dsc_graph_call(g, "", "Concat", "split", 2,
                      (int[]){sizes, i64s(g, "heads", 2, (int64_t[]){HEADS, D / HEADS})}, &split,
                      &n, &err));
    OK(dsc_node_set_int(g, n, "axis", 0, &err));
    OK(dsc_graph_call(g, "", "Concat", "merged", 2,
                      (int[]){sizes, i64s(g, "all", 1, (int64_t[]){-1})}, &merged, &n, &err));
    OK(dsc_node_set_int(g, n, "axis", 0, &err));
    q = call(g, "Reshape", NULL, 2, (int[]){linear(g, "q", x, D, D), split});
    k = call(g, "Reshape", NULL, 2, (int[]){linear(g, "k", x, D, D), split});
    v = call(g, "Reshape", NULL, 2, (int[]){linear(g, "v", x, D, D), split});
    q = soft_product(g, transposed(g, q, by_head, 4), transposed(g, k, keys_last, 4),
                     transposed(g, v, by_head, 4), weight(g, "mask", 2, (int64_t[]){1, TOKENS}));
    q = call(g, "Reshape", "merge", 2, (int[]){transposed(g, q, by_head, 4), merged});
    OK(dsc_graph_sort(g, false, &err));
    OK(dsc_graph_verify(g, &err));
    if (g->values[q].type.rank == 3) /* as an exporter's value_info says */
        g->values[q].type.dim[2] = D;
    linear(g, "out", q, D, 3);
    finish_building(g);
    check_drawn(g, DSC_AXIS_HEADS, 0.25, false, 1, HEADS);
    ck_assert_int_eq(init_of(g, "v.w")->dim[1], D - D / HEADS);
    dsc_graph_free(g);
}
END_TEST

/* One product makes q, k and v: [.., 3 D] as [.., 3, heads, size]. */
START_TEST(heads_of_a_fused_product)
{
    static const int64_t apart[] = {2, 0, 3, 1, 4}, keys_last[] = {0, 1, 3, 2};
    static const int64_t by_head[] = {0, 2, 1, 3};
    int x, part[3];
    struct dsc_graph *g = begin(&x);

    x = call(g, "Reshape", NULL, 2,
             (int[]){linear(g, "qkv", x, D, 3 * D),
                     i64s(g, "split", 5, (int64_t[]){0, 0, 3, HEADS, D / HEADS})});
    x = transposed(g, x, apart, 5);
    for (int i = 0; i < 3; i++) {
        char name[8];
        struct dsc_tensor t;

        snprintf(name, sizeof name, "at%d", i);
        OK(dsc_tensor_new(&t, DSC_I64, 0, NULL, &err));
        dsc_tensor_set_i64(&t, 0, i);
        OK(dsc_graph_init(g, name, &t, &part[i], &err));
        dsc_tensor_clear(&t);
        part[i] = call(g, "Gather", NULL, 2, (int[]){x, part[i]});
    }
    x = soft_product(g, part[0], transposed(g, part[1], keys_last, 4), part[2],
                     weight(g, "mask", 2, (int64_t[]){1, TOKENS}));
    x = call(g, "Reshape", "merge", 2,
             (int[]){transposed(g, x, by_head, 4), i64s(g, "merged", 3, (int64_t[]){0, 0, D})});
    linear(g, "out", x, D, 3);
    finish_building(g);
    check_drawn(g, DSC_AXIS_HEADS, 0.5, false, 1, HEADS);
    ck_assert_int_eq(init_of(g, "qkv.w")->dim[1], 3 * D / 2);
    dsc_graph_free(g);
}
END_TEST

START_TEST(heads_are_not_ffn_and_the_other_way_round)
{
    struct look l;
    struct dsc_graph *g = attention();

    look(&l, g, DSC_AXIS_FFN);
    ck_assert_int_eq(l.st, DSC_E_UNSUPPORTED);
    dsc_arena_clear(&l.arena);
    dsc_graph_free(g);
    refused(rows_of_gemm(), DSC_AXIS_HEADS, "the model has no product that is of two activations");
}
END_TEST

/* ---- choosing ---- */

/* Groups by hand: least scores go, over their group's mean where groups meet; one always stays. */
START_TEST(the_least_units_go)
{
    double first[4] = {4, 1, 3, 2}, second[3] = {300, 100, 200};
    bool gone[4] = {0}, gone2[3] = {0};
    struct dsc_axis_group items[2] = {
        {.name = "a", .n_units = 4, .is_gone = gone, .score = first},
        {.name = "b", .n_units = 3, .is_gone = gone2, .score = second},
    };
    struct dsc_axis_groups groups = {.n = 2, .n_chosen = 2, .items = items};

    OK(dsc_prune_choose(&groups, 0.5, false, &err));
    ck_assert(!gone[0] && gone[1] && !gone[2] && gone[3]);
    ck_assert(!gone2[0] && gone2[1] && gone2[2]); /* round(1.5) is 2 */
    memset(gone, 0, sizeof gone);
    memset(gone2, 0, sizeof gone2);
    items[0].n_gone = items[1].n_gone = 0;
    OK(dsc_prune_choose(&groups, 0.3, true, &err)); /* 0.4 of a, then 0.5 of b */
    ck_assert(gone[1] && items[0].n_gone == 1 && gone2[1] && items[1].n_gone == 1);
    memset(gone, 0, sizeof gone);
    memset(gone2, 0, sizeof gone2);
    items[0].n_gone = items[1].n_gone = 0;
    groups.is_comparable = true; /* then 1, 2, 3, 4 are the least of all */
    OK(dsc_prune_choose(&groups, 0.3, true, &err));
    ck_assert(items[0].n_gone == 2 && items[1].n_gone == 0 && gone[1] && gone[3]);
    groups.is_comparable = false;
    memset(gone, 0, sizeof gone);
    items[0].n_gone = 0;
    OK(dsc_prune_choose(&groups, 0.99, true, &err));
    ck_assert_int_eq(items[0].n_gone, 3);
    ck_assert_int_eq(items[1].n_gone, 2);
    items[0].n_gone = items[1].n_gone = 0;
    ck_assert_int_eq(dsc_prune_choose(&groups, 0.01, false, NULL), DSC_E_USAGE);
}
END_TEST

/* The score of a unit is the norm of all that goes with it. */
START_TEST(scores_are_norms_of_the_group)
{
    struct dsc_graph *g = rows_of_gemm();
    const float *w1 = init_of(g, "w1")->data, *b1 = init_of(g, "b1")->data;
    const float *w2 = init_of(g, "w2")->data;
    struct look l;

    look(&l, g, DSC_AXIS_FFN);
    ck_assert_int_eq(l.st, DSC_OK);
    for (int u = 0; u < INNER; u++) {
        double sum = (double)b1[u] * (double)b1[u];

        for (int k = 0; k < D; k++)
            sum += (double)w1[u * D + k] * (double)w1[u * D + k];
        for (int k = 0; k < 3; k++)
            sum += (double)w2[u * 3 + k] * (double)w2[u * 3 + k];
        ck_assert_double_eq_tol(l.groups.items[0].score[u], sqrt(sum), 1e-12);
    }
    dsc_arena_clear(&l.arena);
    dsc_graph_free(g);
}
END_TEST

/* ---- whole models ---- */

static void check_model(const char *model, const char *rows, enum dsc_axis_pattern p, int n_groups,
                        int n_units)
{
    struct dsc_bundle in;
    struct dsc_model m;
    struct dsc_tensor feeds[8] = {0};
    char path[512];

    snprintf(path, sizeof path, "%s/%s", getenv("GOLDEN"), model);
    OK(dsc_model_open_graph(&m, path, NULL, &err));
    snprintf(path, sizeof path, "%s/%s", getenv("GOLDEN"), rows);
    dsc_bundle_init(&in);
    OK(dsc_npz_read(&in, path, 0, &err));
    for (int i = 0; i < m.graph->n_inputs; i++) {
        const char *name = m.graph->values[m.graph->inputs[i]].name;

        ck_assert_msg(dsc_bundle_find(&in, name) != NULL, "no input %s", name);
        feeds[i] = *dsc_bundle_find(&in, name);
    }
    check(m.graph, feeds, p, 0.5, false, n_groups, n_units);
    dsc_bundle_clear(&in);
    dsc_model_close(&m);
}

START_TEST(models_of_others)
{
    check_model("torch/tiny_bert_ts.onnx", "torch/tiny_bert.in.npz", DSC_AXIS_FFN, 2, 64);
    check_model("torch/tiny_bert_dynamo.onnx", "torch/tiny_bert.in.npz", DSC_AXIS_FFN, 2, 64);
    check_model("torch/tiny_bert_dynamo.onnx", "torch/tiny_bert.in.npz", DSC_AXIS_HEADS, 2, 4);
    check_model("torch/tiny_bert_dynamo.onnx", "torch/tiny_bert.in.npz", DSC_AXIS_HEAD_SIZE, 4, 8);
    check_model("mlp/binary.onnx", "mlp/binary.npz", DSC_AXIS_FFN, 2, 16);
}
END_TEST

START_TEST(models_of_ours)
{
    static const char *const rows = "hf/sentence-cls.short.in.npz";

    check_model("hf/sentence-cls", rows, DSC_AXIS_FFN, 2, 64);
    check_model("hf/sentence-cls", rows, DSC_AXIS_HEADS, 2, 4);
    check_model("hf/sentence-cls", rows, DSC_AXIS_HEAD_SIZE, 4, 8);
}
END_TEST

/* ---- recurrent layers ---- */

enum { HIDDEN = 6, DIRS = 2 };

/* A node of two outputs, all states and the last one. */
static void recurrent(struct dsc_graph *g, const char *op, const char *name, int n_in,
                      const int *in, int out[2])
{
    struct dsc_node *n;

    for (int i = 0; i < 2; i++)
        OK(dsc_graph_value(g, NULL, NULL, &out[i], &err));
    OK(dsc_graph_node(g, dsc_op_find("", op), name, n_in, in, 2, out, &n, &err));
    OK(dsc_node_set_int(g, n, "hidden_size", HIDDEN, &err));
}

/* A bidirectional LSTM with all its inputs, joined directions, and a layer on its states. */
static struct dsc_graph *recurrent_layers(const char *second, int n_gates, bool is_before)
{
    int x, out[2], lens[1] = {DSC_NO_VALUE};
    struct dsc_graph *g = begin(&x);
    const int64_t w[3] = {DIRS, 4 * HIDDEN, D}, r[3] = {DIRS, 4 * HIDDEN, HIDDEN};
    const int64_t state[3] = {DIRS, TOKENS, HIDDEN};
    int y;

    /* rows are steps: [ROWS, TOKENS, D] */
    recurrent(g, "LSTM", "first", 8,
              (int[]){x, weight(g, "1.w", 3, w), weight(g, "1.r", 3, r),
                      weight(g, "1.b", 2, (int64_t[]){DIRS, 8 * HIDDEN}), lens[0],
                      weight(g, "1.h0", 3, state), weight(g, "1.c0", 3, state),
                      weight(g, "1.p", 2, (int64_t[]){DIRS, 3 * HIDDEN})},
              out);
    OK(dsc_node_set_string(g, g->nodes[g->n_nodes - 1], "direction", "bidirectional", &err));
    y = call(g, "Transpose", NULL, 1, out);
    OK(dsc_node_set_ints(g, g->nodes[g->n_nodes - 1], "perm", (int64_t[]){0, 2, 1, 3}, 4, &err));
    y = call(g, "Reshape", NULL, 2,
             (int[]){y, i64s(g, "join", 3, (int64_t[]){0, 0, DIRS * HIDDEN})});
    recurrent(g, second, "second", 4,
              (int[]){y, weight(g, "2.w", 3, (int64_t[]){1, n_gates * HIDDEN, DIRS * HIDDEN}),
                      weight(g, "2.r", 3, (int64_t[]){1, n_gates * HIDDEN, HIDDEN}),
                      weight(g, "2.b", 2, (int64_t[]){1, 2 * n_gates * HIDDEN})},
              out);
    if (is_before)
        OK(dsc_node_set_int(g, g->nodes[g->n_nodes - 1], "linear_before_reset", 1, &err));
    y = call(g, "Squeeze", NULL, 2, (int[]){out[1], i64s(g, "dirs", 1, (int64_t[]){0})});
    gemm(g, "head", 3,
         (int[]){y, weight(g, "head.w", 2, (int64_t[]){3, HIDDEN}),
                 weight(g, "head.b", 1, (int64_t[]){3})},
         true);
    finish_building(g);
    return g;
}

START_TEST(hidden_units_of_recurrent_layers)
{
    static const struct {
        const char *op;
        int n_gates;
        bool is_before;
    } rows[] = {{"LSTM", 4, false}, {"GRU", 3, false}, {"GRU", 3, true}, {"RNN", 1, false}};
    const int n = rows[_i / 2].n_gates;
    struct dsc_graph *g = recurrent_layers(rows[_i / 2].op, n, rows[_i / 2].is_before);

    check_drawn(g, DSC_AXIS_GATES, 0.5, _i % 2, 2, HIDDEN);
    if (_i % 2 == 0) {
        ck_assert_int_eq(init_of(g, "1.w")->dim[1], 2 * HIDDEN);
        ck_assert_int_eq(init_of(g, "1.r")->dim[2], HIDDEN / 2);
        ck_assert_int_eq(init_of(g, "1.p")->dim[1], 3 * HIDDEN / 2);
        ck_assert_int_eq(init_of(g, "1.c0")->dim[2], HIDDEN / 2);
        ck_assert_int_eq(init_of(g, "2.w")->dim[2], DIRS * HIDDEN / 2);
        ck_assert_int_eq(init_of(g, "2.b")->dim[1], n * HIDDEN);
        ck_assert_int_eq(init_of(g, "head.w")->dim[1], HIDDEN / 2);
        ck_assert_int_eq(dsc_node_int(g->nodes[dsc_graph_find_node(g, "second")], "hidden_size", 0),
                         HIDDEN / 2);
    }
    dsc_graph_free(g);
}
END_TEST

START_TEST(what_gates_refuses)
{
    int x, out[2];
    struct dsc_graph *g = begin(&x);

    linear(g, "one", x, D, D);
    finish_building(g);
    refused(g, DSC_AXIS_GATES, "the model has no recurrent layer");
    g = begin(&x);
    recurrent(g, "RNN", "only", 3,
              (int[]){x, weight(g, "w", 3, (int64_t[]){1, HIDDEN, D}),
                      weight(g, "r", 3, (int64_t[]){1, HIDDEN, HIDDEN})},
              out);
    finish_building(g);
    refused(g, DSC_AXIS_GATES, "it reaches the output 'y'");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prune_axes");
    TCase *t = tcase_create("prune_axes");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_test(t, ffn_of_matmul_and_add);
    tcase_add_test(t, ffn_of_gemm);
    tcase_add_test(t, a_gate_shrinks_with_what_it_gates);
    tcase_add_test(t, a_weight_between_two_widths_shrinks_twice);
    tcase_add_test(t, what_is_split_goes_by_the_outer_axis);
    tcase_add_test(t, what_ffn_refuses);
    tcase_add_test(t, a_tied_weight_is_refused);
    tcase_add_test(t, heads_of_shapes_that_are_constants);
    tcase_add_test(t, channels_of_heads);
    tcase_add_test(t, heads_of_shapes_that_are_joined);
    tcase_add_test(t, heads_of_a_fused_product);
    tcase_add_test(t, heads_are_not_ffn_and_the_other_way_round);
    tcase_add_test(t, the_least_units_go);
    tcase_add_test(t, scores_are_norms_of_the_group);
    tcase_add_loop_test(t, hidden_units_of_recurrent_layers, 0, 8);
    tcase_add_test(t, what_gates_refuses);
    tcase_add_test(t, models_of_others);
    tcase_add_test(t, models_of_ours);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
