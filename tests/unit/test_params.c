/* Which tensors are trained: the rule of docs/adr/0003, names, merged tensors, lost ties. */
#include "dsc/train.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct rig {
    struct dsc_graph *g;
    struct dsc_arena arena;
};

static void open_rig(struct rig *r)
{
    r->g = dsc_graph_new(NULL);
    dsc_arena_init(&r->arena);
    ck_assert_ptr_nonnull(r->g);
}

static void close_rig(struct rig *r)
{
    dsc_graph_free(r->g);
    dsc_arena_clear(&r->arena);
}

static int input(struct rig *r, const char *name, int64_t rows, int64_t cols)
{
    const struct dsc_type type = {.dtype = DSC_F32, .rank = 2, .dim = {rows, cols}};
    int id;

    ck_assert_int_eq(dsc_graph_value(r->g, name, &type, &id, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(r->g, id, NULL), DSC_OK);
    return id;
}

/* step 0: all elements are `first` */
static int weight(struct rig *r, const char *name, int rank, int64_t rows, int64_t cols,
                  double first, double step)
{
    struct dsc_tensor t;
    int id;

    ck_assert_int_eq(dsc_tensor_new(&t, DSC_F32, rank,
                                    rank == 1 ? (int64_t[]){cols} : (int64_t[]){rows, cols}, NULL),
                     DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_f64(&t, i, first + step * (double)i);
    ck_assert_int_eq(dsc_graph_init(r->g, name, &t, &id, NULL), DSC_OK);
    dsc_tensor_clear(&t);
    return id;
}

static int call(struct rig *r, const char *op, const char *name, int a, int b)
{
    int y;

    ck_assert_int_eq(
        dsc_graph_call(r->g, "", op, name, b < 0 ? 1 : 2, (int[]){a, b}, &y, NULL, NULL), DSC_OK);
    return y;
}

static void finish(struct rig *r, int output)
{
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_graph_output(r->g, output, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_sort(r->g, false, NULL), DSC_OK);
    ck_assert_msg(dsc_graph_verify(r->g, &err) == DSC_OK, "%s", err.message);
}

static void found(struct rig *r, dsc_param_choose_fn *choose, void *ctx, const char *want)
{
    struct dsc_param *p;
    char text[256] = "";
    int n;

    if (dsc_params_find(r->g, choose, ctx, &r->arena, &p, &n, NULL) != DSC_OK)
        n = 0;
    for (int i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 r->g->values[p[i].value].name);
    ck_assert_str_eq(text, want);
}

START_TEST(one_number_is_a_bias_only_behind_a_product)
{
    struct rig r;

    open_rig(&r);
    const int x = input(&r, "x", 2, 4);
    const int w = weight(&r, "w", 2, 4, 1, 1, 1);
    const int b = weight(&r, "b", 1, 1, 1, 3, 0);
    const int c = weight(&r, "c", 1, 1, 1, 3, 0);
    const int y = call(&r, "Add", "bias", b, call(&r, "MatMul", "product", x, w));

    finish(&r, call(&r, "Add", "sum", y, c));
    found(&r, NULL, NULL, "w b");
    close_rig(&r);
}
END_TEST

START_TEST(merged_biases_come_apart_and_ties_do_not)
{
    int n_merged, n_new;
    struct rig r;

    open_rig(&r);
    const int x = input(&r, "x", 2, 4);
    const int w = weight(&r, "w", 2, 4, 4, 1, 1);
    const int b = weight(&r, "b", 1, 1, 4, 0, 0);
    int y = x;

    (void)weight(&r, "a2.in1", 1, 1, 4, 9, 1); /* the name is taken */
    y = call(&r, "Add", "a1", call(&r, "MatMul", "m1", y, w), b);
    y = call(&r, "Add", "a2", call(&r, "MatMul", "m2", y, w), b);
    y = call(&r, "Add", "a3", call(&r, "MatMul", "m3", y, w), b);
    finish(&r, y);
    ck_assert_int_eq(dsc_params_split(r.g, &r.arena, &n_merged, &n_new, NULL), DSC_OK);
    ck_assert_int_eq(n_merged, 1);
    ck_assert_int_eq(n_new, 2);
    ck_assert_int_eq(dsc_graph_verify(r.g, NULL), DSC_OK);
    found(&r, NULL, NULL, "w b a2.in1.2 a3.in1");
    ck_assert_int_eq(dsc_params_split(r.g, &r.arena, &n_merged, &n_new, NULL), DSC_OK);
    ck_assert_int_eq(n_new, 0);
    close_rig(&r);
}
END_TEST

START_TEST(merged_weights_behind_one_transpose_come_apart)
{
    int n_merged, n_new;
    struct rig r;

    open_rig(&r);
    const int x = input(&r, "x", 2, 4);
    const int t = call(&r, "Transpose", "t", weight(&r, "w", 2, 4, 4, 0.5, 0), -1);

    finish(&r, call(&r, "MatMul", "m2", call(&r, "MatMul", "m1", x, t), t));
    ck_assert_int_eq(dsc_params_split(r.g, &r.arena, &n_merged, &n_new, NULL), DSC_OK);
    ck_assert_int_eq(n_merged, 1);
    ck_assert_int_eq(n_new, 1);
    ck_assert_int_eq(r.g->n_nodes, 4);
    ck_assert_int_eq(dsc_graph_verify(r.g, NULL), DSC_OK);
    found(&r, NULL, NULL, "w Transpose_3.in0");
    close_rig(&r);
}
END_TEST

/* Keeps what a node or weight of that name says, and one named number. */
static bool keep_named(void *ctx, const char *name, int n_nodes, const char *const *nodes,
                       bool is_by_rule)
{
    for (int i = 0; i < n_nodes; i++)
        if (is_by_rule && strcmp(nodes[i], ctx) == 0)
            return true;
    return strcmp(name, ctx) == 0;
}

START_TEST(weights_are_chosen_by_the_names_of_the_nodes_that_read_them)
{
    struct rig r;

    open_rig(&r);
    const int x = input(&r, "x", 2, 4);
    const int t = call(&r, "Transpose", "t", weight(&r, "w", 2, 4, 4, 1, 1), -1);
    const int y = call(&r, "Add", "bias", call(&r, "MatMul", "product", x, t),
                       weight(&r, "b", 1, 1, 4, 0, 0));

    finish(&r, call(&r, "Mul", "scaled", y, weight(&r, "number", 1, 1, 1, 2, 0)));
    found(&r, keep_named, "product", "w");
    found(&r, keep_named, "t", "w");
    found(&r, keep_named, "bias", "b");
    found(&r, keep_named, "scaled", "");
    found(&r, keep_named, "number", "number");
    close_rig(&r);
}
END_TEST

START_TEST(equal_and_transposed_weights_are_told)
{
    struct dsc_param_copy *copies;
    struct dsc_param *p;
    struct dsc_tensor turned;
    int n, n_copies, id;
    struct rig r;

    open_rig(&r);
    const int x = input(&r, "x", 2, 32);
    const int a = weight(&r, "a", 2, 32, 32, 0, 0.25);
    const int b = weight(&r, "b", 2, 32, 32, 0, 0.25);
    const int other = weight(&r, "other", 2, 32, 32, 0, 0.5);

    ck_assert_int_eq(dsc_tensor_new(&turned, DSC_F32, 2, (int64_t[]){32, 32}, NULL), DSC_OK);
    for (int64_t i = 0; i < 1024; i++)
        dsc_tensor_set_f64(&turned, i % 32 * 32 + i / 32, 0.25 * (double)i);
    ck_assert_int_eq(dsc_graph_init(r.g, "turned", &turned, &id, NULL), DSC_OK);
    dsc_tensor_clear(&turned);
    int y = call(&r, "MatMul", "m1", x, a);

    y = call(&r, "MatMul", "m2", y, b);
    y = call(&r, "MatMul", "m3", y, other);
    finish(&r, call(&r, "MatMul", "m4", y, id));
    ck_assert_int_eq(dsc_params_find(r.g, NULL, NULL, &r.arena, &p, &n, NULL), DSC_OK);
    ck_assert_int_eq(n, 4);
    ck_assert_int_eq(dsc_params_copies(r.g, p, n, &r.arena, &copies, &n_copies, NULL), DSC_OK);
    ck_assert_int_eq(n_copies, 2);
    ck_assert_int_eq(copies[0].a, 0);
    ck_assert_int_eq(copies[0].b, 1);
    ck_assert(!copies[0].is_transposed);
    ck_assert_int_eq(copies[1].a, 0);
    ck_assert_int_eq(copies[1].b, 3);
    ck_assert(copies[1].is_transposed);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("params");
    TCase *t = tcase_create("params");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, one_number_is_a_bias_only_behind_a_product);
    tcase_add_test(t, merged_biases_come_apart_and_ties_do_not);
    tcase_add_test(t, merged_weights_behind_one_transpose_come_apart);
    tcase_add_test(t, weights_are_chosen_by_the_names_of_the_nodes_that_read_them);
    tcase_add_test(t, equal_and_transposed_weights_are_told);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
