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

START_TEST(filters_are_dequantized_once)
{
    struct dsc_graph *g = quantized("ort", true), *plan = copy(g);
    struct dsc_tensor x, want, got;

    OK(dsc_pass_inference(plan, NULL, &err));
    ck_assert_int_eq(count(plan, "DequantizeLinear"), count(g, "DequantizeLinear") - 2);
    OK(dsc_tensor_new(&x, DSC_F32, 4, (int64_t[]){IMAGES, C, SIDE, SIDE}, &err));
    fill_normal(&x, "x");
    run(g, &x, &want);
    run(plan, &x, &got);
    ck_assert_mem_eq(want.data, got.data, dsc_tensor_n_bytes(&want));
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_tensor_clear(&x);
    dsc_graph_free(g);
    dsc_graph_free(plan);
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
    tcase_add_test(t, filters_are_dequantized_once);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
