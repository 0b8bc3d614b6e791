/*
 * Layers in two factors. Tokens are X = B diag(d) with orthonormal columns B, weights
 * W = diag(1/d) C diag(s) V^T with orthonormal C and V, so that X W has the singular values s: of
 * all matrices of rank r diag(1/d) C_r diag(s_r) V_r^T makes the least error on these tokens.
 */
#include "dsc/lowrank.h"
#include "dsc/prune.h"
#include "quant_graphs.h"

enum { TOKENS = 40, N_VALUES = 6, RANK = 3, N_IN = 10, N_OUT = 14 };

static const double sizes[N_VALUES] = {6, 5, 4, 1, 0.8, 0.5};

static double cosine(int64_t n, int64_t i, int64_t k)
{
    return sqrt((k ? 2.0 : 1.0) / (double)n) *
           cos(3.14159265358979323846 * ((double)i + 0.5) * (double)k / (double)n);
}

static double scale_of(int64_t i)
{
    return 0.25 * (double)(1 + i % 8);
}

/* Element of the weight made of the first n singular values. */
static double element(int64_t n_in, int64_t n_out, int64_t i, int64_t j, int n)
{
    double sum = 0;

    for (int k = 0; k < n; k++)
        sum += sizes[k] * cosine(n_in, i, k) * cosine(n_out, j, k);
    return sum / scale_of(i);
}

static void fill_gram(float *gram, int64_t n_in)
{
    for (int64_t i = 0; i < n_in; i++)
        for (int64_t j = 0; j < n_in; j++)
            gram[i * n_in + j] = i == j ? (float)(scale_of(i) * scale_of(i)) : 0;
}

struct layer {
    const char *op;
    bool is_turned;
    int64_t n_in, n_out;
};

static const struct layer layers[] = {
    {"Gemm", true, N_OUT, N_IN},  {"Gemm", false, N_OUT, N_IN}, {"MatMul", false, N_OUT, N_IN},
    {"Gemm", true, N_IN, N_OUT},  {"Gemm", false, N_IN, N_OUT}, {"MatMul", false, N_IN, N_OUT},
    {"Gemm", true, N_OUT, N_OUT},
};

static struct dsc_graph *graph_of(const struct layer *l)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const int x = input(g, "x", DSC_F32, 2, (int64_t[]){TOKENS, l->n_in});
    struct dsc_tensor t;
    int w, y, bias;

    OK(dsc_tensor_new(
        &t, DSC_F32, 2,
        (int64_t[]){l->is_turned ? l->n_out : l->n_in, l->is_turned ? l->n_in : l->n_out}, &err));
    for (int64_t i = 0; i < l->n_in; i++)
        for (int64_t j = 0; j < l->n_out; j++)
            dsc_tensor_set_f64(&t, l->is_turned ? j * l->n_in + i : i * l->n_out + j,
                               element(l->n_in, l->n_out, i, j, N_VALUES));
    OK(dsc_graph_init(g, "w", &t, &w, &err));
    dsc_tensor_clear(&t);
    if (strcmp(l->op, "Gemm") == 0) {
        bias = weight(g, "bias", 1, &l->n_out);
        y = gemm(g, "layer", 3, (int[]){x, w, bias}, l->is_turned);
    } else {
        y = call(g, "MatMul", "layer", 2, (int[]){x, w});
    }
    OK(dsc_graph_output(g, y, &err));
    OK(dsc_graph_sort(g, false, &err));
    OK(dsc_graph_verify(g, &err));
    return g;
}

static void find(const struct dsc_graph *g, int64_t rank, double sparsity, enum dsc_status want,
                 struct dsc_arena *arena, struct dsc_lowrank_layers *found, struct dsc_err *err)
{
    const struct dsc_mask_pattern any = {.kind = DSC_MASK_ELEMENTS};
    struct dsc_prune_weights w;

    ck_assert_int_eq(dsc_prune_find(g, &any, NULL, NULL, arena, &w, err), DSC_OK);
    ck_assert_int_eq(dsc_lowrank_find(g, &w, rank, sparsity, arena, found, err), want);
}

static void forward(const struct dsc_graph *g, struct dsc_device *dev, const struct dsc_tensor *x,
                    struct dsc_tensor *y)
{
    const struct dsc_run how = {.n_examples = TOKENS};
    struct dsc_session *s;

    OK(dsc_session_open(&s, g, dev, &err));
    OK(dsc_session_run(s, &how, x, y, &err));
    dsc_session_close(s);
}

/* What the layer made into rank RANK, or (is_asked) what is asked for. */
static double outputs_of(const struct layer *l, const struct dsc_tensor *x, int64_t t, int64_t j,
                         const struct dsc_tensor *bias)
{
    double sum = bias ? dsc_tensor_get_f64(bias, j) : 0;

    for (int64_t i = 0; i < l->n_in; i++)
        sum += dsc_tensor_get_f64(x, t * l->n_in + i) * element(l->n_in, l->n_out, i, j, RANK);
    return sum;
}

START_TEST(factors_make_the_least_error_on_the_tokens)
{
    const struct layer *l = &layers[_i];
    struct dsc_graph *g = graph_of(l);
    const int bias = dsc_graph_find_value(g, "bias");
    struct dsc_arena arena = {0};
    struct dsc_lowrank_layers found;
    struct dsc_tensor x, y;
    struct dsc_device *dev;
    struct dsc_err none = {0};
    float *gram = calloc((size_t)(l->n_in * l->n_in), sizeof *gram);
    /* where there are more outputs than inputs, something is added to the matrix */
    const double tolerance = l->n_out > l->n_in ? 2e-3 : 1e-5;
    struct dsc_lowrank_layer *one;

    OK(dsc_device_open(&dev, "cpu", 2, &err));
    find(g, RANK, 0, DSC_OK, &arena, &found, &none);
    ck_assert_int_eq(found.n_chosen, 1);
    one = found.items[0].why ? &found.items[1] : &found.items[0];
    fill_gram(gram, l->n_in);
    OK(dsc_lowrank_put(g, one, gram, dev, &err));
    OK(dsc_graph_sort(g, true, &err));
    OK(dsc_graph_verify(g, &err));
    ck_assert_double_eq_tol(one->kept, 77 / (77 + 1 + 0.64 + 0.25), tolerance);
    ck_assert_int_eq((int)dsc_tensor_n_elems(&g->values[one->weight].init), (int)(RANK * l->n_in));
    ck_assert_int_eq((int)dsc_tensor_n_elems(&g->values[one->second].init), (int)(RANK * l->n_out));
    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){TOKENS, l->n_in}, &err));
    for (int64_t i = 0; i < TOKENS * l->n_in; i++)
        dsc_tensor_set_f64(&x, i, cosine(TOKENS, i / l->n_in, i % l->n_in) * scale_of(i % l->n_in));
    forward(g, dev, &x, &y);
    for (int64_t i = 0; i < TOKENS * l->n_out; i++)
        ck_assert_double_eq_tol(dsc_tensor_get_f64(&y, i),
                                outputs_of(l, &x, i / l->n_out, i % l->n_out,
                                           bias == DSC_NO_VALUE ? NULL : &g->values[bias].init),
                                10 * tolerance);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
    dsc_arena_clear(&arena);
    dsc_device_close(dev);
    free(gram);
}
END_TEST

/* Without tokens the weights' own error is the least: on the tokens it is a larger one. */
START_TEST(without_tokens_weights_are_what_is_kept)
{
    struct dsc_graph *g = graph_of(&layers[0]);
    struct dsc_arena arena = {0};
    struct dsc_lowrank_layers found;
    struct dsc_tensor w;
    struct dsc_device *dev;
    struct dsc_err none = {0};
    double all = 0, lost = 0, best = 0;

    OK(dsc_device_open(&dev, "cpu", 1, &err));
    find(g, RANK, 0, DSC_OK, &arena, &found, &none);
    OK(dsc_tensor_new(&w, DSC_F32, 2, (int64_t[]){N_IN, N_OUT}, &err));
    memcpy(w.data, g->values[found.items[0].weight].init.data, dsc_tensor_n_bytes(&w));
    OK(dsc_lowrank_put(g, &found.items[0], NULL, dev, &err));
    for (int64_t i = 0; i < N_IN * N_OUT; i++) {
        const double want = dsc_tensor_get_f64(&w, i);
        const double kept = element(N_OUT, N_IN, i % N_OUT, i / N_OUT, RANK);
        double sum = 0;

        for (int r = 0; r < RANK; r++)
            sum +=
                dsc_tensor_get_f64(&g->values[found.items[0].second].init, i / N_OUT * RANK + r) *
                dsc_tensor_get_f64(&g->values[found.items[0].weight].init, r * N_OUT + i % N_OUT);
        all += want * want;
        lost += (sum - want) * (sum - want);
        best += (kept - want) * (kept - want);
    }
    ck_assert_double_eq_tol(found.items[0].kept, 1 - lost / all, 1e-6);
    ck_assert(lost < 0.9 * best);
    dsc_tensor_clear(&w);
    dsc_graph_free(g);
    dsc_arena_clear(&arena);
    dsc_device_close(dev);
}
END_TEST

START_TEST(what_gets_no_factors_is_told)
{
    struct dsc_graph *g = graph_of(&layers[0]);
    struct dsc_arena arena = {0};
    struct dsc_lowrank_layers found;
    struct dsc_err err = {0};

    find(g, 0, 0.3, DSC_OK, &arena, &found, &err);
    ck_assert_int_eq((int)found.items[0].rank, 4); /* 0.7 * 140 / 24 = 4.08 */
    ck_assert_str_eq(found.items[1].why,
                     "a bias or gain, or no factor of a product; --include asks for it");
    find(g, 0, 0.5, DSC_E_UNSUPPORTED, &arena, &found, &err);
    ck_assert_str_eq(err.message,
                     "no layer gets smaller by factors; w: it is too small: fewer than 4 "
                     "components would stay; --rank N asks for it");
    find(g, 6, 0, DSC_E_UNSUPPORTED, &arena, &found, &err);
    ck_assert_str_eq(found.items[0].why, "at this rank two factors are no smaller");
    dsc_graph_free(g);
    dsc_arena_clear(&arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lowrank");
    TCase *t = tcase_create("lowrank");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, factors_make_the_least_error_on_the_tokens, 0,
                        (int)(sizeof layers / sizeof layers[0]));
    tcase_add_test(t, without_tokens_weights_are_what_is_kept);
    tcase_add_test(t, what_gets_no_factors_is_told);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
