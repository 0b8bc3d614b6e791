/*
 * Quantizers of training: what was learned is what the written file computes, codes of few bits
 * there and back, and what drawn rounding depends on. Their formulas are tested in
 * test_train_golden.c.
 */
#include "quant_graphs.h"

enum { N_X = 4 * 300 };

static void set(struct dsc_graph *g, const char *name, double factor)
{
    struct dsc_tensor *t = init_of(g, name);

    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        dsc_tensor_set_f64(t, i, dsc_tensor_get_f64(t, i) * factor);
}

/* Scales and offsets that training has moved: the offset is no multiple of the scale. */
START_TEST(learned_ranges_are_written_as_they_were_simulated)
{
    static const char *const quantizers[] = {"lsq", "lsq+", "pact"};
    struct dsc_quant_target t = *target("ort");
    struct choice choice = {.low = -1.3, .high = 2.1, .act_quantizer = quantizers[_i]};
    const bool has_offset = strcmp(quantizers[_i], "lsq+") == 0;
    struct dsc_graph *g = two_layers();
    struct dsc_tensor x, simulated, written;

    t.has_int_bias = false; /* of which simulation knows nothing */
    OK(dsc_quant_prepare(g, &err));
    OK(insert(g, &t, &choice, &err));
    set(g, "x_scale", 0.83);
    if (has_offset) {
        set(g, "x_offset", 0.9137);
        set(g, "relu_out_offset", -0.31); /* no range reaches there: the zero point is the lowest */
    }
    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){5, 6}, &err));
    fill_normal(&x, "x");
    run(g, &x, &simulated);
    OK(dsc_quant_finish(g, &t, &err));
    ck_assert_int_eq(count(g, "FakeQuantize"), 0);
    run(g, &x, &written);
    ck_assert_mem_eq(simulated.data, written.data, dsc_tensor_n_bytes(&written));
    if (has_offset) {
        ck_assert(dsc_tensor_get_i64(init_of(g, "x_zero_point"), 0) !=
                  (int64_t)rint(1.3 / (3.4 / 255)));
        ck_assert_int_eq(dsc_tensor_get_i64(init_of(g, "relu_out_zero_point"), 0), 0);
    }
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&simulated);
    dsc_tensor_clear(&written);
    dsc_graph_free(g);
}
END_TEST

static const struct choice few_bits[] = {
    {.weight_quantizer = "binary"},
    {.weight_quantizer = "ternary"},
    {.weight_bits = 2},
    {.weight_bits = 3},
    {.weight_bits = 4},
    {.weight_quantizer = "ternary", .is_per_tensor = true},
    {.weight_bits = 3, .is_per_tensor = true},
};

enum { N_FEW_BITS = sizeof few_bits / sizeof few_bits[0] };

static void make_ids(struct dsc_tensor ids[2])
{
    const int64_t dim[] = {2, 5};

    for (int k = 0; k < 2; k++) {
        OK(dsc_tensor_new(&ids[k], DSC_I64, 2, dim, &err));
        for (int64_t i = 0; i < 10; i++)
            dsc_tensor_set_i64(&ids[k], i, (i * 4 + k) % 9);
    }
}

/* Tables looked up twice, layers of [K,N] and [N,K]; rows of 6 do not fill words of 5. */
START_TEST(codes_of_few_bits_are_written_as_simulated_and_read_back)
{
    struct dsc_quant_target t = *target("ort");
    struct choice choice = few_bits[_i];
    struct dsc_graph *g = encoder(), *again, *planned;
    struct dsc_tensor ids[2], simulated, written, back, on_integers;
    int n_found, n_int;

    choice.low = -3;
    choice.high = 3.5;
    t.has_int_bias = false; /* of which simulation knows nothing */
    make_ids(ids);
    OK(dsc_quant_prepare(g, &err));
    OK(insert(g, &t, &choice, &err));
    run(g, ids, &simulated);
    OK(dsc_quant_finish(g, &t, &err));
    ck_assert_int_eq(count(g, "FakeQuantize"), 0);
    run(g, ids, &written);
    ck_assert_mem_eq(simulated.data, written.data, dsc_tensor_n_bytes(&written));
    again = copy(g);
    OK(dsc_quant_read(again, &n_found, NULL, &err));
    ck_assert_int_eq(count(again, "DequantizeLinear") + count(again, "Cast"), 0);
    run(again, ids, &back);
    ck_assert_mem_eq(written.data, back.data, dsc_tensor_n_bytes(&written));
    OK(dsc_quant_finish(again, &t, &err));
    same_constants(g, again);
    same_constants(again, g);
    planned = copy(g);
    OK(dsc_pass_inference(planned, &n_int, &err));
    ck_assert_int_eq(n_int, 2);
    run(planned, ids, &on_integers);
    near("on integers", &on_integers, &written, 1e-5, 0);
    for (int k = 0; k < 2; k++)
        dsc_tensor_clear(&ids[k]);
    dsc_tensor_clear(&simulated);
    dsc_tensor_clear(&written);
    dsc_tensor_clear(&back);
    dsc_tensor_clear(&on_integers);
    dsc_graph_free(g);
    dsc_graph_free(again);
    dsc_graph_free(planned);
}
END_TEST

START_TEST(words_that_no_codebook_holds_are_refused)
{
    struct choice choice = {.low = -1, .high = 1, .weight_quantizer = "ternary"};
    struct dsc_graph *g = two_layers();
    struct dsc_err err = {0};

    OK(dsc_quant_prepare(g, &err));
    OK(insert(g, target("ort"), &choice, &err));
    OK(dsc_quant_finish(g, target("ort"), &err));
    ck_assert_int_eq(init_of(g, "w1_quantized_words")->dtype, DSC_U8);
    ck_assert_int_eq(init_of(g, "w1_quantized_words")->dim[1], 1); /* 4 codes of 6 rows */
    dsc_tensor_set_i64(init_of(g, "w1_quantized_words"), 3, 243);
    ck_assert_int_eq(dsc_quant_lower(g, NULL, &err), DSC_E_RANGE);
    dsc_graph_free(g);
}
END_TEST

/* FakeQuantize of x [4,300] by steps of 0.5. */
static struct dsc_graph *drawn(const char *draws)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_tensor t;
    struct dsc_node *n;
    int in[3], y;

    in[0] = input(g, "x", DSC_F32, 2, (int64_t[]){4, 300});
    OK(dsc_tensor_new(&t, DSC_F32, 0, NULL, &err));
    dsc_tensor_set_f64(&t, 0, 0.5);
    OK(dsc_graph_init(g, "scale", &t, &in[1], &err));
    dsc_tensor_clear(&t);
    OK(dsc_tensor_new(&t, DSC_I8, 0, NULL, &err));
    OK(dsc_graph_init(g, "zero", &t, &in[2], &err));
    dsc_tensor_clear(&t);
    OK(dsc_graph_call(g, "dsc", "FakeQuantize", "fq", 3, in, &y, &n, &err));
    OK(dsc_node_set_string(g, n, "stochastic", draws, &err));
    finish_building(g);
    return g;
}

static void draw(const struct dsc_graph *g, const struct dsc_run *how, double value, float *y)
{
    struct dsc_tensor x, out = {0};
    struct dsc_device *dev;
    struct dsc_session *s;

    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){4, 300}, &err));
    for (int i = 0; i < N_X; i++)
        ((float *)x.data)[i] = (float)value;
    OK(dsc_device_open(&dev, "cpu", 2, &err));
    OK(dsc_session_open(&s, g, dev, &err));
    OK(dsc_session_run(s, how, &x, &out, &err));
    memcpy(y, out.data, N_X * sizeof *y);
    dsc_tensor_clear(&out);
    dsc_tensor_clear(&x);
    dsc_session_close(s);
    dsc_device_close(dev);
}

START_TEST(drawn_rounding_takes_neighbours_whose_mean_is_the_value)
{
    struct dsc_graph *g = drawn("example");
    double sum = 0;
    float y[N_X];

    for (uint64_t step = 0; step < 50; step++) {
        draw(g, &(struct dsc_run){.is_training = true, .step = step, .n_examples = 4}, 1.35, y);
        for (int i = 0; i < N_X; i++) {
            ck_assert(y[i] == 1.0f || y[i] == 1.5f);
            sum += (double)y[i];
        }
    }
    /* 60,000 draws of 0.5 with probability 0.7: 5 standard deviations */
    ck_assert_double_eq_tol(sum / (50 * N_X), 1.35, 5 * 0.5 * sqrt(0.7 * 0.3 / (50 * N_X)));
    draw(g, &(struct dsc_run){.is_training = true, .n_examples = 4}, -1.5, y);
    for (int i = 0; i < N_X; i++) /* it has a code */
        ck_assert(y[i] == -1.5f);
    draw(g, &(struct dsc_run){.n_examples = 4}, 1.35, y);
    for (int i = 0; i < N_X; i++) /* not training: the nearest */
        ck_assert(y[i] == 1.5f);
    dsc_graph_free(g);
}
END_TEST

START_TEST(draws_follow_the_example_or_are_of_the_whole_tensor)
{
    static const int64_t ids[] = {5, 9, 2, 7}, turned[] = {7, 2, 9, 5};
    struct dsc_run a = {.is_training = true, .seed = 3, .example_ids = ids, .n_examples = 4};
    struct dsc_run b = a, later = a;
    struct dsc_graph *by_example = drawn("example"), *by_tensor = drawn("tensor");
    float ya[N_X], yb[N_X];

    b.example_ids = turned;
    later.step = 1;
    draw(by_example, &a, 0.2, ya);
    draw(by_example, &b, 0.2, yb);
    for (int row = 0; row < 4; row++)
        ck_assert_mem_eq(ya + 300 * row, yb + 300 * (3 - row), 300 * sizeof ya[0]);
    draw(by_example, &later, 0.2, yb);
    ck_assert_mem_ne(ya, yb, sizeof ya);
    draw(by_tensor, &a, 0.2, ya);
    draw(by_tensor, &b, 0.2, yb);
    ck_assert_mem_eq(ya, yb, sizeof ya);
    dsc_graph_free(by_example);
    dsc_graph_free(by_tensor);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quantizers");
    TCase *t = tcase_create("quantizers");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, learned_ranges_are_written_as_they_were_simulated, 0, 3);
    tcase_add_loop_test(t, codes_of_few_bits_are_written_as_simulated_and_read_back, 0, N_FEW_BITS);
    tcase_add_test(t, words_that_no_codebook_holds_are_refused);
    tcase_add_test(t, drawn_rounding_takes_neighbours_whose_mean_is_the_value);
    tcase_add_test(t, draws_follow_the_example_or_are_of_the_whole_tensor);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
