/* SmoothQuant: the function stays, the ranges move, and who is not quantized is left alone. */
#include "quant_graphs.h"

enum { ROWS = 3, TOKENS = 4, K = 6, N = 5 };

static const float most[K] = {0.5f, 40, 1, 3, 0.1f, 0};

/* x [rows,tokens,6] -> three layers that read it, summed; one weight is [N,K]. */
static struct dsc_graph *three_readers(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 3, (int64_t[]){ROWS, TOKENS, K}), sum = DSC_NO_VALUE;

    for (int i = 0; i < 3; i++) {
        char name[8];
        int y;

        snprintf(name, sizeof name, "w%d", i);
        y = call(g, "MatMul", name, 2, (int[]){x, weight(g, name, 2, (int64_t[]){K, N})});
        snprintf(name, sizeof name, "b%d", i);
        y = call(g, "Add", NULL, 2, (int[]){y, weight(g, name, 1, (int64_t[]){N})});
        sum = sum == DSC_NO_VALUE ? y : call(g, "Add", NULL, 2, (int[]){sum, y});
    }
    finish_building(g);
    OK(dsc_quant_prepare(g, &err));
    return g;
}

static int smooth(struct dsc_graph *g, struct choice *c, double alpha)
{
    struct dsc_quant_plan plan;
    struct dsc_arena arena;
    int n_smoothed = 0;

    dsc_arena_init(&arena);
    OK(dsc_quant_make_plan(g, target("ort"), choose, c, &arena, &plan, &err));
    for (int i = 0; i < plan.n_sites; i++) {
        struct dsc_quant_site *site = &plan.sites[i];
        bool is_done = false;
        double s[K];

        for (int64_t k = 0; k < site->n_channels; k++)
            site->channel_max[k] = most[k % K];
        if (site->n_channels > 0)
            OK(dsc_quant_smooth(g, &plan, site, alpha, s, &is_done, &err));
        n_smoothed += is_done;
    }
    OK(dsc_graph_sort(g, true, &err));
    OK(dsc_graph_verify(g, &err));
    dsc_arena_clear(&arena);
    return n_smoothed;
}

START_TEST(the_function_stays_and_ranges_move_into_weights)
{
    struct choice c = {.left_out = "w2/gemm"};
    struct dsc_graph *g = three_readers();
    struct dsc_tensor x, want, got, w[3];

    OK(dsc_tensor_new(&x, DSC_F32, 3, (int64_t[]){ROWS, TOKENS, K}, &err));
    fill_normal(&x, "x");
    run(g, &x, &want);
    for (int i = 0; i < 3; i++)
        dsc_tensor_ref(&w[i], init_of(g, (const char *[]){"w0", "w1", "w2"}[i]));
    ck_assert_int_eq(smooth(g, &c, 0.75), 1);
    run(g, &x, &got);
    near("smoothed", &got, &want, 1e-5, 0);
    ck_assert_int_eq(count(g, "Mul"), 1);
    /* the formula of the paper, over both weights that are quantized; the third is as it was */
    for (int k = 0; k < K; k++) {
        const float *a = (const float *)w[0].data + k * N, *b = (const float *)w[1].data + k * N;
        double top = 0, s;

        for (int j = 0; j < N; j++)
            top = fmax(top, fmax(fabs((double)a[j]), fabs((double)b[j])));
        s = pow(fmax((double)most[k], 1e-5), 0.75) / pow(top, 0.25);
        for (int j = 0; j < N; j++)
            ck_assert_double_eq_tol((double)((const float *)init_of(g, "w1")->data)[k * N + j] /
                                        ((double)b[j] * s),
                                    1, 1e-6);
        ck_assert_double_eq_tol((double)((const float *)init_of(g, "x_smooth_scale")->data)[k] * s,
                                1, 1e-6);
    }
    ck_assert_ptr_eq(init_of(g, "w2")->data, w[2].data);
    for (int i = 0; i < 3; i++)
        dsc_tensor_clear(&w[i]);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_graph_free(g);
}
END_TEST

/* The Mul stands before the Reshape to rows, which reads the smoothed activation. */
START_TEST(codes_are_of_the_smoothed_activation)
{
    struct choice c = {.low = -1, .high = 1};
    struct dsc_graph *g = three_readers();

    ck_assert_int_eq(smooth(g, &c, 0.95), 1);
    OK(insert(g, target("ort"), &c, &err));
    OK(dsc_quant_finish(g, target("ort"), &err));
    ck_assert_int_eq(count(g, "QuantizeLinear"), 1);
    ck_assert_int_ge(dsc_graph_find_value(g, "x_smooth_out_scale"), 0);
    ck_assert_int_eq(count(g, "Mul"), 1);
    dsc_graph_free(g);
}
END_TEST

/* A weight that somebody else reads cannot be scaled. */
START_TEST(a_shared_weight_is_left_as_it_is)
{
    struct choice c = {.low = -1, .high = 1};
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){ROWS, K}), w, y;

    w = weight(g, "w", 2, (int64_t[]){K, K});
    y = call(g, "MatMul", "one", 2, (int[]){x, w});
    call(g, "MatMul", "two", 2, (int[]){y, w});
    finish_building(g);
    ck_assert_int_eq(smooth(g, &c, 0.5), 0);
    ck_assert_int_eq(count(g, "Mul"), 0);
    dsc_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("smooth");
    TCase *t = tcase_create("smooth");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, the_function_stays_and_ranges_move_into_weights);
    tcase_add_test(t, codes_are_of_the_smoothed_activation);
    tcase_add_test(t, a_shared_weight_is_left_as_it_is);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
