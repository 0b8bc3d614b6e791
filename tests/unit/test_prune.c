/*
 * Masks against PyTorch's and NumPy's (tests/golden/prune), which weights are found, and why the
 * others are not.
 */
#include "dsc/bundle.h"
#include "dsc/prune.h"
#include "formats_npz.h"
#include "quant_graphs.h"

static struct dsc_bundle golden;

static void read_golden(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/prune/prune.npz", getenv("GOLDEN"));
    dsc_bundle_init(&golden);
    OK(dsc_npz_read(&golden, path, 0, &err));
}

static void clear_golden(void)
{
    dsc_bundle_clear(&golden);
}

static int constant(struct dsc_graph *g, const char *name, const struct dsc_tensor *t)
{
    int id;

    OK(dsc_graph_init(g, name, t, &id, &err));
    return id;
}

static void transposed(struct dsc_tensor *dst, const struct dsc_tensor *src)
{
    OK(dsc_tensor_new(dst, DSC_F32, 2, (int64_t[]){src->dim[1], src->dim[0]}, &err));
    for (int64_t r = 0; r < src->dim[0]; r++)
        for (int64_t c = 0; c < src->dim[1]; c++)
            ((float *)dst->data)[c * src->dim[0] + r] =
                ((const float *)src->data)[r * src->dim[1] + c];
}

/* w0 [N,K] of a Gemm, w1 as [K,N] of a MatMul, w2 [N,K] behind a Transpose; a bias, a table. */
static struct dsc_graph *three_weights(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_tensor turned;
    struct dsc_node *n;
    int y[4], cat, x0, w2;

    x0 = input(g, "x0", DSC_F32, 2, (int64_t[]){3, 16});
    y[0] = gemm(g, "first", 3,
                (int[]){x0, constant(g, "w0", dsc_bundle_find(&golden, "w0")),
                        weight(g, "bias", 1, (int64_t[]){6})},
                true);
    transposed(&turned, dsc_bundle_find(&golden, "w1"));
    y[1] = call(g, "MatMul", "second", 2,
                (int[]){input(g, "x1", DSC_F32, 2, (int64_t[]){3, 8}), constant(g, "w1", &turned)});
    dsc_tensor_clear(&turned);
    w2 = constant(g, "w2", dsc_bundle_find(&golden, "w2"));
    OK(dsc_graph_call(g, "", "Transpose", "turn", 1, &w2, &y[2], &n, &err));
    OK(dsc_node_set_ints(g, n, "perm", (int64_t[]){1, 0}, 2, &err));
    y[2] =
        call(g, "MatMul", "third", 2, (int[]){input(g, "x2", DSC_F32, 2, (int64_t[]){3, 8}), y[2]});
    y[3] = call(g, "Gather", "words", 2,
                (int[]){weight(g, "table", 2, (int64_t[]){9, 4}),
                        input(g, "ids", DSC_I64, 1, (int64_t[]){3})});
    OK(dsc_graph_call(g, "", "Concat", "cat", 4, y, &cat, &n, &err));
    OK(dsc_node_set_int(g, n, "axis", 1, &err));
    finish_building(g);
    return g;
}

static const struct dsc_prune_weight *fate(const struct dsc_graph *g,
                                           const struct dsc_prune_weights *w, const char *name)
{
    for (int i = 0; i < w->n; i++)
        if (strcmp(g->values[w->items[i].value].name, name) == 0)
            return &w->items[i];
    ck_abort_msg("no fate of %s", name);
    return NULL;
}

static enum dsc_prune_choice all_but_w2(void *ctx, const char *name, int n_nodes,
                                        const char *const *nodes)
{
    return strcmp(name, "w2") == 0 ? DSC_PRUNE_LEFT_OUT : DSC_PRUNE_CHOSEN;
}

/* Zero exactly where the mask says so, and the rest as it was. */
static void is_masked(struct dsc_graph *g, const char *name, const char *key, bool is_turned)
{
    char text[64];
    const struct dsc_tensor *mask, *w = dsc_bundle_find(&golden, name), *got = init_of(g, name);
    const int64_t rows = w->dim[0], cols = w->dim[1];

    snprintf(text, sizeof text, "%s.%s", key, name);
    mask = dsc_bundle_find(&golden, text);
    ck_assert_msg(mask != NULL, "no array %s", text);
    for (int64_t i = 0; i < rows * cols; i++) {
        const int64_t at = is_turned ? i % cols * rows + i / cols : i;
        const float want = ((const uint8_t *)mask->data)[i] ? ((const float *)w->data)[i] : 0;

        ck_assert_msg(((const float *)got->data)[at] == want, "%s[%d]", text, (int)i);
    }
}

/* Scores of both signs in the order of the magnitudes. */
static void score(const struct dsc_graph *g, struct dsc_prune_weights *w, struct dsc_arena *arena)
{
    for (int i = 0; i < w->n; i++) {
        const struct dsc_tensor *t = &g->values[w->items[i].value].init;
        float *s = dsc_arena_alloc(arena, (size_t)w->items[i].n_elems, sizeof *s, NULL);

        ck_assert(s != NULL);
        for (int64_t k = 0; k < w->items[i].n_elems; k++)
            s[k] = 3 * fabsf(((const float *)t->data)[k]) - 2;
        w->items[i].score = s;
    }
}

static void check_worth(const char *pattern, const char *key, double sparsity, bool is_global,
                        int n_weights, bool by_score)
{
    struct dsc_graph *g = three_weights();
    struct dsc_prune_weights w;
    struct dsc_mask_pattern p;
    struct dsc_arena arena;
    int64_t n_changed;

    dsc_arena_init(&arena);
    OK(dsc_mask_pattern_parse(pattern, &p, &err));
    OK(dsc_prune_find(g, &p, n_weights == 3 ? NULL : all_but_w2, NULL, &arena, &w, &err));
    ck_assert_int_eq(w.n_chosen, n_weights);
    if (by_score)
        score(g, &w, &arena);
    OK(dsc_prune_mask(g, &p, sparsity, is_global, &w, &n_changed, &err));
    is_masked(g, "w0", key, false);
    is_masked(g, "w1", key, true);
    if (n_weights == 3)
        is_masked(g, "w2", key, false);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}

static void check_pattern(const char *pattern, const char *key, double sparsity, bool is_global,
                          int n_weights)
{
    check_worth(pattern, key, sparsity, is_global, n_weights, false);
    if (strncmp(pattern, "block", 5) != 0) /* blocks add scores up, and squares of magnitudes */
        check_worth(pattern, key, sparsity, is_global, n_weights, true);
}

START_TEST(unstructured_masks_are_those_of_pytorch)
{
    static const char *const amounts[] = {"0.25", "0.5", "0.77"};
    char key[32];

    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "local.%s", amounts[i]);
        check_pattern("unstructured", key, atof(amounts[i]), false, 3);
        snprintf(key, sizeof key, "global.%s", amounts[i]);
        check_pattern("unstructured", key, atof(amounts[i]), true, 3);
    }
}
END_TEST

START_TEST(groups_are_along_the_axis_that_is_summed_over)
{
    check_pattern("2:4", "2:4", 0, false, 3);
    check_pattern("4:8", "4:8", 0, false, 3);
    check_pattern("1:2", "1:2", 0, false, 3);
}
END_TEST

START_TEST(blocks_go_by_their_norm)
{
    check_pattern("block:2x4", "block.local", 0.5, false, 2);
    check_pattern("block:2x4", "block.global", 0.5, true, 2);
}
END_TEST

START_TEST(every_tensor_has_a_fate)
{
    struct dsc_graph *g = three_weights();
    const struct dsc_mask_pattern any = {.kind = DSC_MASK_ELEMENTS};
    const struct dsc_mask_pattern groups = {.kind = DSC_MASK_GROUPS, .n = 4, .m = 16};
    const struct dsc_mask_pattern odd = {.kind = DSC_MASK_GROUPS, .n = 3, .m = 5};
    struct dsc_prune_weights w;
    struct dsc_arena arena;
    struct dsc_err err = {0};

    dsc_arena_init(&arena);
    OK(dsc_prune_find(g, &any, NULL, NULL, &arena, &w, &err));
    ck_assert_int_eq(w.n, 5);
    ck_assert_ptr_null(fate(g, &w, "w0")->why);
    ck_assert_int_eq(fate(g, &w, "w0")->sum_axis, 1);
    ck_assert_int_eq(fate(g, &w, "w1")->sum_axis, 0);
    ck_assert_int_eq(fate(g, &w, "w2")->sum_axis, 1);
    ck_assert(strncmp(fate(g, &w, "table")->why, "a table", 7) == 0);
    ck_assert(strncmp(fate(g, &w, "bias")->why, "a bias", 6) == 0);
    OK(dsc_prune_find(g, &groups, NULL, NULL, &arena, &w, &err));
    ck_assert_int_eq(w.n_chosen, 1); /* w0 sums over 16 */
    ck_assert_int_eq(dsc_prune_find(g, &odd, NULL, NULL, &arena, &w, &err), DSC_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "no multiple"));
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}
END_TEST

/* The axis that one product sums over is the other's output: no groups fit both. */
START_TEST(a_weight_of_two_roles_is_left)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const struct dsc_mask_pattern any = {.kind = DSC_MASK_ELEMENTS};
    struct dsc_prune_weights w;
    struct dsc_arena arena;
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){3, 8}), tied;

    tied = weight(g, "tied", 2, (int64_t[]){8, 8});
    x = call(g, "MatMul", "one", 2, (int[]){x, tied});
    x = call(g, "MatMul", "other", 2, (int[]){x, weight(g, "free", 2, (int64_t[]){8, 8})});
    gemm(g, "two", 2, (int[]){x, tied}, true);
    finish_building(g);
    dsc_arena_init(&arena);
    OK(dsc_prune_find(g, &any, NULL, NULL, &arena, &w, &err));
    ck_assert_str_eq(fate(g, &w, "tied")->why, "it is read in two roles");
    ck_assert_ptr_null(fate(g, &w, "free")->why);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}
END_TEST

/* Zeros count, of equal magnitudes the first goes, and a second run changes nothing. */
START_TEST(ties_go_in_order_and_a_second_run_changes_nothing)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const struct dsc_mask_pattern any = {.kind = DSC_MASK_ELEMENTS};
    const struct dsc_mask_pattern groups = {.kind = DSC_MASK_GROUPS, .n = 2, .m = 4};
    const float v[8] = {1, -1, 0, 2, 1, 1, -3, 1};
    struct dsc_prune_weights w;
    struct dsc_arena arena;
    struct dsc_tensor t;
    int64_t n_changed;

    OK(dsc_tensor_new(&t, DSC_F32, 2, (int64_t[]){2, 4}, &err));
    memcpy(t.data, v, sizeof v);
    gemm(g, "one", 2, (int[]){input(g, "x", DSC_F32, 2, (int64_t[]){3, 4}), constant(g, "w", &t)},
         true);
    dsc_tensor_clear(&t);
    finish_building(g);
    dsc_arena_init(&arena);
    OK(dsc_prune_find(g, &any, NULL, NULL, &arena, &w, &err));
    OK(dsc_prune_mask(g, &any, 0.5, false, &w, &n_changed, &err));
    ck_assert_int_eq(n_changed, 3);
    ck_assert_mem_eq(init_of(g, "w")->data, ((float[]){0, 0, 0, 2, 0, 1, -3, 1}), sizeof v);
    OK(dsc_prune_find(g, &any, NULL, NULL, &arena, &w, &err));
    ck_assert_int_eq(dsc_prune_mask(g, &any, 0.5, false, &w, &n_changed, NULL), DSC_E_USAGE);
    OK(dsc_prune_find(g, &groups, NULL, NULL, &arena, &w, &err));
    OK(dsc_prune_mask(g, &groups, 0, false, &w, &n_changed, &err));
    ck_assert_mem_eq(init_of(g, "w")->data, ((float[]){0, 0, 0, 2, 0, 0, -3, 1}), sizeof v);
    dsc_arena_clear(&arena);
    dsc_graph_free(g);
}
END_TEST

START_TEST(patterns_are_read_or_refused)
{
    static const char *const bad[] = {"",          "2:",     "4:2",        "2:2",    "0:4",
                                      "-2:4",      "a:b",    "2:4x",       "block:", "block:4",
                                      "block:0x4", "heads2", "block:4x4x4"};
    struct dsc_mask_pattern p;

    OK(dsc_mask_pattern_parse("block:8x1", &p, &err));
    ck_assert(p.kind == DSC_MASK_BLOCKS && p.n == 8 && p.m == 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(dsc_mask_pattern_parse(bad[i], &p, NULL) == DSC_E_USAGE, "'%s'", bad[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prune");
    TCase *t = tcase_create("prune");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_checked_fixture(t, read_golden, clear_golden);
    tcase_add_test(t, unstructured_masks_are_those_of_pytorch);
    tcase_add_test(t, groups_are_along_the_axis_that_is_summed_over);
    tcase_add_test(t, blocks_go_by_their_norm);
    tcase_add_test(t, every_tensor_has_a_fate);
    tcase_add_test(t, a_weight_of_two_roles_is_left);
    tcase_add_test(t, ties_go_in_order_and_a_second_run_changes_nothing);
    tcase_add_test(t, patterns_are_read_or_refused);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
