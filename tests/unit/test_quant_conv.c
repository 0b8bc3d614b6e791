/* Convolutions in codes: where Q/DQ stand, that what is written is what was simulated, and back. */
#include "dsc/pass.h"
#include "quant_graphs.h"

enum { IMAGES = 2, C = 3, SIDE = 9 };

static int conv(struct dsc_graph *g, const char *op, const char *name, int x, int rank,
                const int64_t *w, int64_t n_out)
{
    char weights[32], bias[32];

    snprintf(weights, sizeof weights, "%s.w", name);
    snprintf(bias, sizeof bias, "%s.b", name);
    return call(g, op, name, 3,
                (int[]){x, weight(g, weights, rank, w), weight(g, bias, 1, &n_out)});
}

/* Conv, Relu, MaxPool, a depthwise Conv that a sum reads as well, ConvTranspose. */
static struct dsc_graph *network(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int64_t n;
    int x, y;

    OK(dsc_graph_symbol(g, "n", &n, &err));
    x = input(g, "x", DSC_F32, 4, (int64_t[]){n, C, SIDE, SIDE});
    x = conv(g, "Conv", "one", x, 4, (int64_t[]){4, C, 3, 3}, 4);
    x = call(g, "Relu", "relu", 1, &x);
    x = call(g, "MaxPool", "pool", 1, &x);
    OK(dsc_node_set_ints(g, g->nodes[g->n_nodes - 1], "kernel_shape", (int64_t[]){2, 2}, 2, &err));
    y = conv(g, "Conv", "two", x, 4, (int64_t[]){4, 1, 1, 1}, 4);
    OK(dsc_node_set_int(g, g->nodes[g->n_nodes - 1], "group", 4, &err));
    x = call(g, "Add", "sum", 2, (int[]){y, x});
    conv(g, "ConvTranspose", "up", x, 4, (int64_t[]){4, 2, 2, 2}, 2);
    finish_building(g);
    return g;
}

static const struct choice plain = {.low = -6, .high = 6};

static struct dsc_graph *quantized(const char *name, bool is_finished)
{
    struct dsc_graph *g = network();
    struct choice c = plain;

    OK(dsc_quant_prepare(g, &err));
    OK(insert(g, target(name), &c, &err));
    if (is_finished)
        OK(dsc_quant_finish(g, target(name), &err));
    return g;
}

START_TEST(codes_stand_around_convolutions)
{
    struct dsc_graph *g = quantized("ort", true);

    /* x, relu, pool, two; ConvTranspose stays float */
    ck_assert_int_eq(count(g, "QuantizeLinear"), 4);
    ck_assert_int_eq(count(g, "DequantizeLinear"), 4 + 2 + 2);
    ck_assert_int_eq(init_of(g, "one.w_quantized")->dtype, DSC_I8);
    ck_assert_int_eq(init_of(g, "one.w_quantized")->rank, 4);
    ck_assert_int_eq(init_of(g, "one.w_scale")->dim[0], 4);
    ck_assert_int_eq(init_of(g, "two.b_quantized")->dtype, DSC_I32);
    ck_assert_int_eq(init_of(g, "up.w")->dtype, DSC_F32);
    dsc_graph_free(g);
}
END_TEST

START_TEST(what_is_written_is_what_was_simulated)
{
    static const char *const names[] = {"generic", "ort", "openvino", "tensorrt"};
    struct dsc_graph *a = quantized(names[_i], false), *b = quantized(names[_i], true);
    struct dsc_tensor x, want, got;
    int n_found;

    OK(dsc_tensor_new(&x, DSC_F32, 4, (int64_t[]){IMAGES, C, SIDE, SIDE}, &err));
    fill_normal(&x, "x");
    run(a, &x, &want);
    run(b, &x, &got);
    near("written", &got, &want, 2e-3, 1e-3); /* biases have codes of their own */
    dsc_tensor_clear(&want);
    OK(dsc_quant_read(b, &n_found, NULL, &err));
    ck_assert_int_eq(count(b, "QuantizeLinear"), 0);
    run(b, &x, &want);
    near("read back", &want, &got, 1e-5, 1e-6);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_tensor_clear(&x);
    dsc_graph_free(a);
    dsc_graph_free(b);
}
END_TEST

/* The plan of g against g, within rel of the largest. */
static void check_plan(struct dsc_graph *g, int n_int, double rel)
{
    struct dsc_graph *plan = copy(g);
    struct dsc_tensor x, want, got;
    int n_found;

    OK(dsc_pass_inference(plan, &n_found, &err));
    ck_assert_int_eq(n_found, n_int);
    ck_assert_int_eq(count(plan, "QConv"), n_int);
    OK(dsc_tensor_new(&x, DSC_F32, 4, (int64_t[]){IMAGES, C, SIDE, SIDE}, &err));
    fill_normal(&x, "x");
    run(g, &x, &want);
    run(plan, &x, &got);
    near("planned", &got, &want, rel, 1e-7);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_tensor_clear(&x);
    dsc_graph_free(g);
    dsc_graph_free(plan);
}

/* The first convolution, with its Relu and its codes, runs on integers; the one in groups does
 * not, and its filters are dequantized once. */
START_TEST(the_plan_runs_integers)
{
    struct dsc_graph *g = quantized("ort", true), *plan = copy(g);

    OK(dsc_pass_inference(plan, NULL, &err));
    ck_assert_int_eq(count(plan, "Relu"), 0);
    ck_assert_int_eq(count(plan, "QuantizeLinear"), 3);
    ck_assert_int_eq(count(plan, "DequantizeLinear"), 4); /* relu, pool, two, the bias of two */
    dsc_graph_free(plan);
    check_plan(g, 1, 1e-5);
}
END_TEST

/* With padding, whose code is not 0, strides and dilations; floats come out. */
START_TEST(sums_of_codes_are_those_of_floats)
{
    static const char *const names[] = {"ort", "tensorrt"};
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct choice c = {.low = -4, .high = 6};
    int64_t n;
    int x;

    OK(dsc_graph_symbol(g, "n", &n, &err));
    x = input(g, "x", DSC_F32, 4, (int64_t[]){n, C, SIDE, SIDE});
    conv(g, "Conv", "one", x, 4, (int64_t[]){20, C, 3, 2}, 20);
    OK(dsc_node_set_ints(g, g->nodes[0], "pads", (int64_t[]){1, 0, 2, 1}, 4, &err));
    OK(dsc_node_set_ints(g, g->nodes[0], "strides", (int64_t[]){2, 1}, 2, &err));
    OK(dsc_node_set_ints(g, g->nodes[0], "dilations", (int64_t[]){1, 2}, 2, &err));
    finish_building(g);
    OK(dsc_quant_prepare(g, &err));
    OK(insert(g, target(names[_i]), &c, &err));
    OK(dsc_quant_finish(g, target(names[_i]), &err));
    check_plan(g, 1, 1e-6);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quant_conv");
    TCase *t = tcase_create("quant_conv");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, codes_stand_around_convolutions);
    tcase_add_loop_test(t, what_is_written_is_what_was_simulated, 0, 4);
    tcase_add_test(t, the_plan_runs_integers);
    tcase_add_loop_test(t, sums_of_codes_are_those_of_floats, 0, 2);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
