/* Cross-layer equalization: ranges by the paper's formula, results as before. */
#include "quant_graphs.h"

enum { D = 7, H = 12, E = 9 };

/* A layer whose channels have ranges that differ. */
static int uneven(struct dsc_graph *g, const char *name, int64_t rows, int64_t cols)
{
    const int id = weight(g, name, 2, (int64_t[]){rows, cols});
    struct dsc_tensor *t = init_of(g, name);

    for (int64_t i = 0; i < rows * cols; i++)
        ((float *)t->data)[i] *= powf(2, (float)(i % 5) - 3 + (float)(i / cols % 4));
    return id;
}

static int row(struct dsc_graph *g, const char *name, int64_t n)
{
    return weight(g, name, 1, &n);
}

/* MatMul + Add, f, Gemm with [N,K] weights, Relu, Gemm with [K,N]. */
static struct dsc_graph *chain(const char *f)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){5, D});

    x = call(g, "MatMul", "one", 2, (int[]){x, uneven(g, "w1", D, H)});
    x = call(g, "Add", "add", 2, (int[]){row(g, "b1", H), x});
    if (strcmp(f, "PRelu") == 0)
        x = call(g, f, "f", 2, (int[]){x, row(g, "slope", H)});
    else
        x = call(g, f, "f", 1, &x);
    x = gemm(g, "two", 3, (int[]){x, uneven(g, "w2", E, H), row(g, "b2", E)}, true);
    x = call(g, "Relu", "relu", 1, &x);
    gemm(g, "three", 2, (int[]){x, uneven(g, "w3", E, 3)}, false);
    finish_building(g);
    return g;
}

/* Largest magnitude of channel c of a matrix along an axis. */
static double range_of(struct dsc_graph *g, const char *name, int axis, int64_t c)
{
    const struct dsc_tensor *t = init_of(g, name);
    double most = 0;

    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        if ((axis == 0 ? i / t->dim[1] : i % t->dim[1]) == c)
            most = fmax(most, fabs(dsc_tensor_get_f64(t, i)));
    return most;
}

static void computes_the_same(const struct dsc_graph *g, const struct dsc_graph *even)
{
    struct dsc_tensor x, y, z;

    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){5, D}, &err));
    fill_normal(&x, "x");
    run(g, &x, &y);
    run(even, &x, &z);
    near("equalized", &z, &y, 2e-6, 0);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_tensor_clear(&z);
}

START_TEST(both_sides_of_a_chain_get_the_same_ranges)
{
    static const char *const fs[] = {"Relu", "LeakyRelu", "PRelu", "Identity"};
    struct dsc_graph *g = chain(fs[_i]), *even = copy(g), *again;
    int n_pairs;

    ck_assert_int_eq(dsc_pass_equalizable(g), 2);
    OK(dsc_pass_equalize(even, &n_pairs, &err));
    ck_assert_int_eq(n_pairs, 2);
    for (int64_t c = 0; c < H; c++) {
        const double a = range_of(even, "w1", 1, c), b = range_of(even, "w2", 1, c);

        ck_assert_msg(fabs(a / b - 1) < 1e-3, "channel %d of f: %g and %g", (int)c, a, b);
    }
    for (int64_t c = 0; c < E; c++) {
        const double a = range_of(even, "w2", 0, c), b = range_of(even, "w3", 0, c);

        ck_assert_msg(fabs(a / b - 1) < 1e-3, "channel %d of relu: %g and %g", (int)c, a, b);
    }
    ck_assert(fabs(range_of(g, "w1", 1, 0) / range_of(g, "w2", 1, 0) - 1) > 0.1);
    computes_the_same(g, even);
    again = copy(even);
    OK(dsc_pass_equalize(again, &n_pairs, &err));
    same_constants(even, again);
    dsc_graph_free(g);
    dsc_graph_free(even);
    dsc_graph_free(again);
}
END_TEST

/* One pair, two readers: s = sqrt(r1 / r2), in double; a channel without weights stays. */
static struct dsc_graph *fan_out(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){5, D}), a, b;

    x = gemm(g, "one", 3, (int[]){x, uneven(g, "w1", H, D), row(g, "b1", H)}, true);
    for (int64_t i = 0; i < D; i++)
        ((float *)init_of(g, "w1")->data)[3 * D + i] = 0;
    x = call(g, "Relu", "relu", 1, &x);
    a = call(g, "MatMul", "two", 2, (int[]){x, uneven(g, "w2", H, E)});
    b = gemm(g, "three", 2, (int[]){x, uneven(g, "w3", E, H)}, true);
    call(g, "Add", "sum", 2, (int[]){a, b});
    finish_building(g);
    return g;
}

static void is_scaled(struct dsc_graph *g, struct dsc_graph *even, const char *name, int axis,
                      const double *s, bool is_divided)
{
    const struct dsc_tensor *from = init_of(g, name), *to = init_of(even, name);

    for (int64_t i = 0; i < dsc_tensor_n_elems(from); i++) {
        const int64_t c = from->rank == 1 ? i : axis == 0 ? i / from->dim[1] : i % from->dim[1];
        const double v = dsc_tensor_get_f64(from, i);
        const float want = (float)(is_divided ? v / s[c] : v * s[c]);

        ck_assert_msg(fabs(dsc_tensor_get_f64(to, i) - (double)want) <= 1.2e-7 * fabs((double)want),
                      "%s[%d]: %.9g, not %.9g", name, (int)i, dsc_tensor_get_f64(to, i),
                      (double)want);
    }
}

START_TEST(scales_are_those_of_the_paper)
{
    struct dsc_graph *g = fan_out(), *even = copy(g);
    double s[H];
    int n_pairs;

    OK(dsc_pass_equalize(even, &n_pairs, &err));
    ck_assert_int_eq(n_pairs, 1);
    for (int64_t c = 0; c < H; c++) {
        const double r1 = range_of(g, "w1", 0, c);
        const double r2 = fmax(range_of(g, "w2", 0, c), range_of(g, "w3", 1, c));

        s[c] = r1 > 0 ? sqrt(r1 / r2) : 1;
    }
    is_scaled(g, even, "w1", 0, s, true);
    is_scaled(g, even, "b1", 0, s, true);
    is_scaled(g, even, "w2", 0, s, false);
    is_scaled(g, even, "w3", 1, s, false);
    computes_the_same(g, even);
    dsc_graph_free(g);
    dsc_graph_free(even);
}
END_TEST

/* ---- what is no pair ---- */

enum otherwise {
    OF_GELU,      /* not homogeneous */
    READ_BESIDES, /* by a node that is no layer */
    IS_OUTPUT,
    SHARED_WEIGHT,
    SHARED_BIAS,
    OTHER_BIAS, /* one number for all channels */
    N_OTHERWISE
};

static struct dsc_graph *no_pair(enum otherwise how)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){5, D}), w1, b1, h, y;

    w1 = uneven(g, "w1", D, D);
    b1 = row(g, "b1", how == OTHER_BIAS ? 1 : D);
    h = gemm(g, "one", 3, (int[]){x, w1, b1}, false);
    h = call(g, how == OF_GELU ? "Sigmoid" : "Relu", "f", 1, &h);
    y = call(g, "MatMul", "two", 2, (int[]){h, how == SHARED_WEIGHT ? w1 : uneven(g, "w2", D, D)});
    if (how == IS_OUTPUT)
        OK(dsc_graph_output(g, h, &err));
    call(g, "Add", "sum", 2,
         (int[]){y, how == READ_BESIDES  ? h
                    : how == SHARED_BIAS ? b1
                                         : row(g, "b3", D)});
    finish_building(g);
    return g;
}

START_TEST(other_layers_stay_as_they_are)
{
    struct dsc_graph *g = no_pair((enum otherwise)_i), *same = copy(g);
    int n_pairs;

    ck_assert_int_eq(dsc_pass_equalizable(g), 0);
    OK(dsc_pass_equalize(same, &n_pairs, &err));
    ck_assert_int_eq(n_pairs, 0);
    same_constants(g, same);
    dsc_graph_free(g);
    dsc_graph_free(same);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("equalize");
    TCase *t = tcase_create("equalize");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, both_sides_of_a_chain_get_the_same_ranges, 0, 4);
    tcase_add_test(t, scales_are_those_of_the_paper);
    tcase_add_loop_test(t, other_layers_stay_as_they_are, 0, N_OTHERWISE);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
