/*
 * The passes of quantization on small graphs: their text, that a second run changes nothing, and
 * the way there and back.
 */
#include "quant_graphs.h"

/* The same graph from the start, behind the first n passes. */
enum stage { PREPARED, INSERTED, FINISHED };

static struct dsc_graph *made(struct dsc_graph *g, enum stage stage, const char *target_name,
                              struct choice *c)
{
    OK(dsc_quant_prepare(g, &err));
    if (stage >= INSERTED)
        OK(insert(g, target(target_name), c, &err));
    if (stage >= FINISHED)
        OK(dsc_quant_finish(g, target(target_name), &err));
    return g;
}

static const struct choice plain = {.low = -4, .high = 4};

/* A pass whose second run changes no more. */
static void settles(struct dsc_graph *g, const char *want,
                    enum dsc_status (*pass)(struct dsc_graph *g, struct dsc_err *err))
{
    OK(pass(g, &err));
    text_is(g, want);
    OK(pass(g, &err));
    text_is(g, want);
    dsc_graph_free(g);
}

static enum dsc_status finish_ort(struct dsc_graph *g, struct dsc_err *err)
{
    return dsc_quant_finish(g, target("ort"), err);
}

static enum dsc_status read_back(struct dsc_graph *g, struct dsc_err *err)
{
    int n_found;

    return dsc_quant_read(g, &n_found, NULL, err);
}

static enum dsc_status float_bias(struct dsc_graph *g, struct dsc_err *err)
{
    int n_changed;

    return dsc_quant_float_bias(g, &n_changed, err);
}

static enum dsc_status lower(struct dsc_graph *g, struct dsc_err *err)
{
    return dsc_quant_lower(g, NULL, err);
}

static const char prepared[] = "input x:f32[rows,6]\n"
                               "add_out:f32[rows,4] = Gemm(x, w1, b1)\n"
                               "relu_out:f32[rows,4] = Relu(add_out)\n"
                               "y:f32[rows,3] = Gemm(relu_out, w2, b2) transB=1\n"
                               "output y\n";

START_TEST(prepare_joins_a_product_and_its_bias)
{
    settles(two_layers(), prepared, dsc_quant_prepare);
}
END_TEST

/* x [rows,5,6] -> MatMul + Add, as often as there are names; the outputs are summed. */
static struct dsc_graph *by_token(int n, const char *const *layers)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x, y, sum = DSC_NO_VALUE;
    int64_t rows;
    char name[16];

    OK(dsc_graph_symbol(g, "rows", &rows, &err));
    x = input(g, "x", DSC_F32, 3, (int64_t[]){rows, 5, 6});
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "w_%s", layers[i]);
        y = weight(g, name, 2, (int64_t[]){6, 4});
        y = call(g, "MatMul", layers[i], 2, (int[]){x, y});
        snprintf(name, sizeof name, "b_%s", layers[i]);
        y = call(g, "Add", NULL, 2, (int[]){y, weight(g, name, 1, (int64_t[]){4})});
        sum = sum == DSC_NO_VALUE ? y : call(g, "Add", NULL, 2, (int[]){sum, y});
    }
    finish_building(g);
    return g;
}

/* Reshapes come between; what users see of the output stays. */
START_TEST(prepare_keeps_name_and_sizes_of_the_output)
{
    settles(by_token(1, (const char *[]){"one"}),
            "input x:f32[rows,5,6]\n"
            "one/rows_out:f32[?,6] = Reshape(x, one/rows_shape)\n"
            "one/gemm_out:f32[?,4] = Gemm(one/rows_out, w_one, b_one)\n"
            "one/leading_out:i64[2] = Shape(x) start=0 end=2\n"
            "one/shape_out:i64[3] = Concat(one/leading_out, one/cols) axis=0\n"
            "y:f32[rows,5,4] = Reshape(one/gemm_out, one/shape_out)\n"
            "output y\n",
            dsc_quant_prepare);
}
END_TEST

static const char inserted[] =
    "input x:f32[rows,6]\n"
    "x/fake_quantize_out:f32[rows,6] = dsc.FakeQuantize(x, x_scale, x_zero_point)\n"
    "w1/fake_quantize_out:f32[6,4] = dsc.FakeQuantize(w1, w1_scale, w1_zero_point) narrow=1 "
    "axis=1\n"
    "add_out:f32[rows,4] = Gemm(x/fake_quantize_out, w1/fake_quantize_out, b1)\n"
    "relu_out:f32[rows,4] = Relu(add_out)\n"
    "relu_out/fake_quantize_out:f32[rows,4] = dsc.FakeQuantize(relu_out, relu_out_scale, "
    "relu_out_zero_point)\n"
    "w2/fake_quantize_out:f32[3,4] = dsc.FakeQuantize(w2, w2_scale, w2_zero_point) narrow=1 "
    "axis=0\n"
    "y:f32[rows,3] = Gemm(relu_out/fake_quantize_out, w2/fake_quantize_out, b2) transB=1\n"
    "output y\n";

START_TEST(insert_puts_simulated_quantization_on_the_plan)
{
    struct choice c = plain;
    struct dsc_graph *g = made(two_layers(), INSERTED, "ort", &c);
    struct dsc_err err = {0};

    text_is(g, inserted);
    ck_assert_int_eq(insert(g, target("ort"), &c, &err), DSC_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "it is quantized already"));
    text_is(g, inserted);
    dsc_graph_free(g);
}
END_TEST

START_TEST(weights_that_are_not_finite_are_refused)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    struct choice c = plain;
    struct dsc_graph *g = two_layers();
    struct dsc_err err = {0};

    OK(dsc_quant_prepare(g, &err));
    ((float *)g->values[dsc_graph_find_value(g, "w2")].init.data)[7] = bad[_i];
    ck_assert_int_eq(insert(g, target("ort"), &c, &err), DSC_E_NONFINITE);
    ck_assert_ptr_nonnull(strstr(err.message, "'w2'"));
    dsc_graph_free(g);
}
END_TEST

static const char finished[] =
    "input x:f32[rows,6]\n"
    "x/fake_quantize/quantize_out:u8[rows,6] = QuantizeLinear(x, x_scale, x_zero_point)\n"
    "x/fake_quantize/dequantize_out:f32[rows,6] = DequantizeLinear(x/fake_quantize/quantize_out, "
    "x_scale, x_zero_point)\n"
    "w1/fake_quantize/dequantize_out:f32[6,4] = DequantizeLinear(w1_quantized, w1_scale, "
    "w1_zero_point) axis=1\n"
    "one/gemm/bias_out:f32[4] = DequantizeLinear(b1_quantized, b1_scale) axis=0\n"
    "add_out:f32[rows,4] = Gemm(x/fake_quantize/dequantize_out, "
    "w1/fake_quantize/dequantize_out, one/gemm/bias_out)\n"
    "relu_out:f32[rows,4] = Relu(add_out)\n"
    "relu_out/fake_quantize/quantize_out:u8[rows,4] = QuantizeLinear(relu_out, relu_out_scale, "
    "relu_out_zero_point)\n"
    "relu_out/fake_quantize/dequantize_out:f32[rows,4] = "
    "DequantizeLinear(relu_out/fake_quantize/quantize_out, relu_out_scale, relu_out_zero_point)\n"
    "w2/fake_quantize/dequantize_out:f32[3,4] = DequantizeLinear(w2_quantized, w2_scale, "
    "w2_zero_point) axis=0\n"
    "two/bias_out:f32[3] = DequantizeLinear(b2_quantized, b2_scale) axis=0\n"
    "y:f32[rows,3] = Gemm(relu_out/fake_quantize/dequantize_out, w2/fake_quantize/dequantize_out, "
    "two/bias_out) transB=1\n"
    "output y\n";

START_TEST(finish_writes_the_standard_spelling)
{
    struct choice c = plain;

    settles(made(two_layers(), INSERTED, "ort", &c), finished, finish_ort);
}
END_TEST

/* docs/adr/0002, C: the codes are of x itself, Reshape comes behind DequantizeLinear. */
START_TEST(rows_are_made_of_codes_by_those_who_are_quantized)
{
    struct choice c = plain;
    struct dsc_graph *g;

    c.left_out = "two/gemm";
    g = made(by_token(2, (const char *[]){"one", "two"}), FINISHED, "ort", &c);
    text_is(g,
            "input x:f32[rows,5,6]\n"
            "one/rows_out:f32[?,6] = Reshape(x, one/rows_shape)\n"
            "x/fake_quantize/quantize_out:u8[rows,5,6] = QuantizeLinear(x, x_scale, x_zero_point)\n"
            "x/fake_quantize/dequantize_out:f32[rows,5,6] = "
            "DequantizeLinear(x/fake_quantize/quantize_out, x_scale, x_zero_point)\n"
            "one/rows/quantized_out:f32[?,6] = Reshape(x/fake_quantize/dequantize_out, "
            "one/rows_shape)\n"
            "w_one/fake_quantize/dequantize_out:f32[6,4] = DequantizeLinear(w_one_quantized, "
            "w_one_scale, w_one_zero_point) axis=1\n"
            "one/gemm/bias_out:f32[4] = DequantizeLinear(b_one_quantized, b_one_scale) axis=0\n"
            "one/gemm_out:f32[?,4] = Gemm(one/rows/quantized_out, "
            "w_one/fake_quantize/dequantize_out, one/gemm/bias_out)\n"
            "one/leading_out:i64[2] = Shape(x) start=0 end=2\n"
            "one/shape_out:i64[3] = Concat(one/leading_out, one/cols) axis=0\n"
            "v_4:f32[rows,5,4] = Reshape(one/gemm_out, one/shape_out)\n"
            "two/gemm_out:f32[?,4] = Gemm(one/rows_out, w_two, b_two)\n"
            "two/leading_out:i64[2] = Shape(x) start=0 end=2\n"
            "two/shape_out:i64[3] = Concat(two/leading_out, two/cols) axis=0\n"
            "v_8:f32[rows,5,4] = Reshape(two/gemm_out, two/shape_out)\n"
            "y:f32[rows,5,4] = Add(v_4, v_8)\n"
            "output y\n");
    ck_assert_int_eq(dsc_graph_find_value(g, "w_two_quantized"), DSC_NO_VALUE);
    dsc_graph_free(g);
}
END_TEST

START_TEST(read_is_the_way_back_with_the_same_names)
{
    struct choice c = plain;

    settles(made(two_layers(), FINISHED, "ort", &c), inserted, read_back);
}
END_TEST

static const char float_biased[] =
    "input x:f32[rows,6]\n"
    "x/fake_quantize/quantize_out:u8[rows,6] = QuantizeLinear(x, x_scale, x_zero_point)\n"
    "x/fake_quantize/dequantize_out:f32[rows,6] = DequantizeLinear(x/fake_quantize/quantize_out, "
    "x_scale, x_zero_point)\n"
    "w1/fake_quantize/dequantize_out:f32[6,4] = DequantizeLinear(w1_quantized, w1_scale, "
    "w1_zero_point) axis=1\n"
    "add_out:f32[rows,4] = Gemm(x/fake_quantize/dequantize_out, "
    "w1/fake_quantize/dequantize_out, one/gemm/bias/value)\n"
    "relu_out:f32[rows,4] = Relu(add_out)\n"
    "relu_out/fake_quantize/quantize_out:u8[rows,4] = QuantizeLinear(relu_out, relu_out_scale, "
    "relu_out_zero_point)\n"
    "relu_out/fake_quantize/dequantize_out:f32[rows,4] = "
    "DequantizeLinear(relu_out/fake_quantize/quantize_out, relu_out_scale, relu_out_zero_point)\n"
    "w2/fake_quantize/dequantize_out:f32[3,4] = DequantizeLinear(w2_quantized, w2_scale, "
    "w2_zero_point) axis=0\n"
    "y:f32[rows,3] = Gemm(relu_out/fake_quantize/dequantize_out, w2/fake_quantize/dequantize_out, "
    "two/bias/value) transB=1\n"
    "output y\n";

START_TEST(float_bias_leaves_weights_and_activations_alone)
{
    struct choice c = plain;

    settles(made(two_layers(), FINISHED, "ort", &c), float_biased, float_bias);
}
END_TEST

static const char lowered[] =
    "input x:f32[rows,6]\n"
    "x/fake_quantize/quantize_out:u8[rows,6] = QuantizeLinear(x, x_scale, x_zero_point)\n"
    "one/gemm/int_out:f32[rows,4] = dsc.QGemm(x/fake_quantize/quantize_out, one/gemm/packed, "
    "one/gemm/col_sum, x_scale, x_zero_point, w1_scale, one/gemm/bias) k=6\n"
    "relu_out:f32[rows,4] = Relu(one/gemm/int_out)\n"
    "relu_out/fake_quantize/quantize_out:u8[rows,4] = QuantizeLinear(relu_out, relu_out_scale, "
    "relu_out_zero_point)\n"
    "y:f32[rows,3] = dsc.QGemm(relu_out/fake_quantize/quantize_out, two/packed, two/col_sum, "
    "relu_out_scale, relu_out_zero_point, w2_scale, two/bias) k=4\n"
    "output y\n";

START_TEST(lower_leaves_integer_products)
{
    struct choice c = plain;

    settles(made(two_layers(), FINISHED, "ort", &c), lowered, lower);
}
END_TEST

static const char dynamic[] =
    "input x:f32[rows,6]\n"
    "x/codes:u8[rows,6], x/scale:f32[], x/zero_point:u8[] = DynamicQuantizeLinear(x)\n"
    "one/gemm/integer_out:i32[rows,4] = MatMulInteger(x/codes, w1_quantized, x/zero_point, "
    "weights_zero_point)\n"
    "one/gemm/float_out:f32[rows,4] = Cast(one/gemm/integer_out) to=1\n"
    "one/gemm/scale_out:f32[4] = Mul(x/scale, w1_scale)\n"
    "one/gemm/scaled_out:f32[rows,4] = Mul(one/gemm/float_out, one/gemm/scale_out)\n"
    "one/gemm/bias_out:f32[rows,4] = Add(one/gemm/scaled_out, b1)\n"
    "relu_out:f32[rows,4] = Relu(one/gemm/bias_out)\n"
    "relu_out/codes:u8[rows,4], relu_out/scale:f32[], relu_out/zero_point:u8[] = "
    "DynamicQuantizeLinear(relu_out)\n"
    "two/integer_out:i32[rows,3] = MatMulInteger(relu_out/codes, w2_quantized.T, "
    "relu_out/zero_point, weights_zero_point)\n"
    "two/float_out:f32[rows,3] = Cast(two/integer_out) to=1\n"
    "two/scale_out:f32[3] = Mul(relu_out/scale, w2_scale)\n"
    "two/scaled_out:f32[rows,3] = Mul(two/float_out, two/scale_out)\n"
    "y:f32[rows,3] = Add(two/scaled_out, b2)\n"
    "output y\n";
static const char dynamic_lowered[] =
    "input x:f32[rows,6]\n"
    "x/codes:u8[rows,6], x/scale:f32[], x/zero_point:u8[] = DynamicQuantizeLinear(x)\n"
    "one/gemm/integer/packed_product_out:f32[rows,4] = dsc.QGemm(x/codes, one/gemm/integer/packed, "
    "one/gemm/integer/col_sum, x/scale, x/zero_point, w1_scale, b1) k=6\n"
    "relu_out:f32[rows,4] = Relu(one/gemm/integer/packed_product_out)\n"
    "relu_out/codes:u8[rows,4], relu_out/scale:f32[], relu_out/zero_point:u8[] = "
    "DynamicQuantizeLinear(relu_out)\n"
    "y:f32[rows,3] = dsc.QGemm(relu_out/codes, two/integer/packed, two/integer/col_sum, "
    "relu_out/scale, relu_out/zero_point, w2_scale, b2) k=4\n"
    "output y\n";

static enum dsc_status to_dynamic(struct dsc_graph *g, struct dsc_err *err)
{
    return dsc_quant_dynamic(g, dsc_quant_target_find("ort"), err);
}

START_TEST(dynamic_computes_ranges_when_it_runs)
{
    struct choice c = {.is_dynamic = true};
    struct dsc_graph *g = made(two_layers(), FINISHED, "ort", &c);

    settles(copy(g), dynamic, to_dynamic);
    OK(dsc_quant_dynamic(g, dsc_quant_target_find("generic"), &err));
    settles(g, dynamic_lowered, lower);
}
END_TEST

START_TEST(a_dynamic_graph_is_not_read_back)
{
    struct choice c = {.is_dynamic = true};
    struct dsc_graph *g = made(two_layers(), FINISHED, "ort", &c);
    struct dsc_err err = {0};

    ck_assert(dsc_quant_is_quantized(g));
    ck_assert_int_eq(dsc_quant_dynamic(g, dsc_quant_target_find("generic"), &err), DSC_OK);
    ck_assert(dsc_quant_is_quantized(g));
    ck_assert_int_eq(read_back(g, &err), DSC_E_UNSUPPORTED);
    dsc_graph_free(g);
}
END_TEST

/* ---- there and back ---- */

static void returns(struct dsc_graph *g, const char *target_name, struct choice *c)
{
    struct dsc_graph *first, *master;
    char *simulated, *written;
    int n_found;
    bool has_bias;

    made(g, INSERTED, target_name, c);
    master = copy(g);
    OK(dsc_quant_finish(g, target(target_name), &err));
    first = copy(g);
    written = text_of(g);
    OK(dsc_quant_read(g, &n_found, &has_bias, &err));
    ck_assert_int_eq(n_found, count(first, "DequantizeLinear"));
    ck_assert_int_eq(has_bias, target(target_name)->has_int_bias);
    simulated = text_of(g);
    OK(dsc_quant_read(g, &n_found, &has_bias, &err));
    ck_assert_int_eq(n_found, 0);
    text_is(g, simulated);
    for (int i = 0; i < master->n_nodes; i++)
        ck_assert_msg(dsc_graph_find_node(g, master->nodes[i]->name) >= 0, "node '%s' is lost",
                      master->nodes[i]->name);
    for (int i = 0; i < master->n_values; i++)
        if (dsc_tensor_is_present(&master->values[i].init))
            init_of(g, master->values[i].name);
    OK(dsc_quant_finish(g, target(target_name), &err));
    text_is(g, written);
    same_constants(first, g);
    same_constants(g, first);
    dsc_heap_free(simulated);
    dsc_heap_free(written);
    dsc_graph_free(master);
    dsc_graph_free(first);
    dsc_graph_free(g);
}

static const char *const target_names[] = {"ort", "openvino", "tensorrt"};

START_TEST(codes_scales_and_names_survive_the_way_back)
{
    struct choice c = {.low = -3, .high = 5, .is_attention = _i % 2};

    returns(two_layers(), target_names[_i / 2], &c);
    returns(encoder(), target_names[_i / 2], &c);
    c.is_per_tensor = true;
    returns(encoder(), target_names[_i / 2], &c);
}
END_TEST

START_TEST(a_table_that_is_read_twice_stays_one)
{
    struct choice c = plain;
    struct dsc_graph *g = made(encoder(), FINISHED, "ort", &c);

    ck_assert_int_eq(dsc_graph_find_value(g, "table"), DSC_NO_VALUE);
    ck_assert_int_eq(init_of(g, "table_quantized")->dtype, DSC_I8);
    ck_assert_int_eq(dsc_graph_find_value(g, "table_quantized_2"), DSC_NO_VALUE);
    OK(read_back(g, &err));
    ck_assert_int_eq(init_of(g, "table")->dtype, DSC_F32);
    ck_assert_int_eq(dsc_graph_find_value(g, "table_2"), DSC_NO_VALUE);
    dsc_graph_free(g);
}
END_TEST

/* A scale of the bias so small that its codes need more than the 24 bits of a float. */
START_TEST(long_codes_of_a_bias_survive_the_way_back)
{
    struct choice c = {.low = -1e-3, .high = 1e-3};
    struct dsc_graph *g = dsc_graph_new(NULL);
    const int x = input(g, "x", DSC_F32, 2, (int64_t[]){2, 6});
    const int w = weight(g, "w", 2, (int64_t[]){6, 4}), b = weight(g, "b", 1, (int64_t[]){4});
    struct dsc_tensor *t;
    int64_t longest = 0;

    gemm(g, "one", 3, (int[]){x, w, b}, false);
    finish_building(g);
    t = init_of(g, "b");
    for (int i = 0; i < 4; i++)
        ((float *)t->data)[i] *= 20;
    returns(copy(g), "ort", &c);
    made(g, FINISHED, "ort", &c);
    for (int i = 0; i < 4; i++)
        longest = llabs(dsc_tensor_get_i64(init_of(g, "b_quantized"), i)) > longest
                      ? llabs(dsc_tensor_get_i64(init_of(g, "b_quantized"), i))
                      : longest;
    ck_assert_int_gt(longest, (int64_t)1 << 26);
    dsc_graph_free(g);
}
END_TEST

/* ---- scales ---- */

struct params_case {
    enum dsc_dtype code;
    bool is_symmetric;
    double low, high, scale;
    int64_t zero;
};

/* By hand, from the formulas of QuantizeLinear: scale = span / steps, zero = -low / scale. */
static const struct params_case params_cases[] = {
    {DSC_U8, false, 0, 255, 1, 0},         {DSC_U8, false, -1, 254, 1, 1},
    {DSC_U8, false, 10, 255, 1, 0},        {DSC_U8, false, -255, -10, 1, 255},
    {DSC_U8, false, -63.75, 0, 0.25, 255}, {DSC_U8, false, 0, 0, 1, 0},
    {DSC_I8, false, -128, 127, 1, 0},      {DSC_I8, false, 0, 255, 1, -128},
    {DSC_I8, true, -127, 3, 1, 0},         {DSC_I8, true, -1, 63.5, 0.5, 0},
    {DSC_U8, true, -127.5, 3, 1, 128},     {DSC_I4, true, -7, 7, 1, 0},
    {DSC_U8, false, 0, 1e-45, 0x1p-40, 0}, {DSC_U8, false, -1e-30, 1e-30, 0x1p-40, 0},
};

START_TEST(a_range_gives_the_scale_and_zero_point_of_its_type)
{
    const struct params_case *c = &params_cases[_i];
    double scale;
    int64_t zero;

    dsc_quant_params(c->code, c->is_symmetric, c->low, c->high, &scale, &zero);
    ck_assert_double_eq_tol(scale, c->scale, 1e-6 * c->scale);
    ck_assert_int_eq(zero, c->zero);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quant");
    TCase *t = tcase_create("quant");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, prepare_joins_a_product_and_its_bias);
    tcase_add_test(t, prepare_keeps_name_and_sizes_of_the_output);
    tcase_add_test(t, insert_puts_simulated_quantization_on_the_plan);
    tcase_add_loop_test(t, weights_that_are_not_finite_are_refused, 0, 3);
    tcase_add_test(t, finish_writes_the_standard_spelling);
    tcase_add_test(t, rows_are_made_of_codes_by_those_who_are_quantized);
    tcase_add_test(t, read_is_the_way_back_with_the_same_names);
    tcase_add_test(t, float_bias_leaves_weights_and_activations_alone);
    tcase_add_test(t, lower_leaves_integer_products);
    tcase_add_test(t, dynamic_computes_ranges_when_it_runs);
    tcase_add_test(t, a_dynamic_graph_is_not_read_back);
    tcase_add_loop_test(t, codes_scales_and_names_survive_the_way_back, 0, 6);
    tcase_add_test(t, a_table_that_is_read_twice_stays_one);
    tcase_add_test(t, long_codes_of_a_bias_survive_the_way_back);
    tcase_add_loop_test(t, a_range_gives_the_scale_and_zero_point_of_its_type, 0,
                        sizeof params_cases / sizeof params_cases[0]);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
