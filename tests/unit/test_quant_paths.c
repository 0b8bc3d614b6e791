/*
 * What a quantized graph computes: simulated (FakeQuantize), as written (QuantizeLinear and
 * DequantizeLinear, or DynamicQuantizeLinear) and on integers, against sums of codes in float64
 * that are made here.
 */
#include "quant_graphs.h"

enum { K = 37, N = 19, ROWS = 5, MAX_ROWS = 2 * ROWS };

enum bias { NO_BIAS, BY_COLUMN, ONE_FOR_ALL };

struct product_case {
    const char *target;
    enum bias bias;
    bool is_gemm, is_trans, is_per_tensor;
    int rank;
    bool is_symmetric; /* u8 with zero point 128, or as the target is */
    bool stays_float;  /* where it is not dynamic */
};

static const struct product_case product_cases[] = {
    {"ort", NO_BIAS, false, false, false, 2, false, false},
    {"ort", NO_BIAS, false, false, false, 3, false, false},
    {"ort", NO_BIAS, false, false, true, 3, false, false},
    {"ort", BY_COLUMN, false, false, false, 2, false, false},
    {"ort", BY_COLUMN, false, false, false, 3, false, false},
    {"ort", BY_COLUMN, false, false, true, 3, false, false},
    {"ort", BY_COLUMN, true, false, false, 2, false, false},
    {"ort", BY_COLUMN, true, true, false, 2, false, false},
    {"ort", BY_COLUMN, true, true, true, 2, false, false},
    {"ort", BY_COLUMN, true, true, false, 2, true, false},
    {"ort", NO_BIAS, true, true, false, 2, true, false},
    {"ort", ONE_FOR_ALL, false, false, false, 3, false, false},
    {"ort", ONE_FOR_ALL, true, false, false, 2, false, true},
    {"ort", ONE_FOR_ALL, true, true, true, 2, false, true},
    {"tensorrt", BY_COLUMN, false, false, false, 3, true, false},
    {"tensorrt", BY_COLUMN, true, true, false, 2, true, false},
    {"tensorrt", NO_BIAS, false, false, true, 2, true, false},
    {"tensorrt", ONE_FOR_ALL, true, false, false, 2, true, true},
};

enum widths { W8A8, W4A8, W8A16 };

static const struct {
    struct product_case product;
    enum widths widths;
} width_cases[] = {
    {{"generic", NO_BIAS, false, false, false, 3, false, false}, W4A8},
    {{"generic", BY_COLUMN, true, true, false, 2, false, false}, W4A8},
    {{"ort", BY_COLUMN, true, false, true, 2, true, false}, W4A8},
    {{"generic", NO_BIAS, false, false, false, 3, false, false}, W8A16},
    {{"generic", BY_COLUMN, true, true, false, 2, false, false}, W8A16},
    {{"ort", BY_COLUMN, true, true, true, 2, true, false}, W8A16},
};

enum {
    N_PRODUCTS = sizeof product_cases / sizeof product_cases[0],
    N_WIDTHS = sizeof width_cases / sizeof width_cases[0]
};

static struct dsc_graph *product_graph(const struct product_case *c)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const int64_t x_dim[] = {2, ROWS, K}, n_bias = c->bias == ONE_FOR_ALL ? 1 : N;
    int in[3];

    in[0] = input(g, "x", DSC_F32, c->rank, c->rank == 2 ? x_dim + 1 : x_dim);
    in[1] = weight(g, "w", 2, c->is_trans ? (int64_t[]){N, K} : (int64_t[]){K, N});
    in[2] = c->bias == NO_BIAS ? DSC_NO_VALUE : weight(g, "b", 1, &n_bias);
    if (c->is_gemm) {
        gemm(g, "product", c->bias == NO_BIAS ? 2 : 3, in, c->is_trans);
    } else {
        in[0] = call(g, "MatMul", "product", 2, in);
        if (c->bias != NO_BIAS)
            call(g, "Add", "add", 2, (int[]){in[0], in[2]});
    }
    finish_building(g);
    return g;
}

/* Scale and zero point of x, scales of w; and codes by them: the expected values. */
struct codes {
    int64_t n_rows;
    double x[MAX_ROWS * K], w[K * N], sw[N];
    float sx, zero;
};

static void weight_codes(struct codes *q, const struct dsc_tensor *w, bool is_trans,
                         bool is_per_tensor, double limit)
{
    double top[N] = {0}, all = 0;

    for (int k = 0; k < K; k++)
        for (int n = 0; n < N; n++) {
            const double v = fabs(dsc_tensor_get_f64(w, is_trans ? n * K + k : k * N + n));

            top[n] = fmax(top[n], v);
            all = fmax(all, v);
        }
    for (int n = 0; n < N; n++)
        q->sw[n] = (double)(float)((is_per_tensor ? all : top[n]) / limit);
    for (int k = 0; k < K; k++)
        for (int n = 0; n < N; n++) {
            const float v = (float)dsc_tensor_get_f64(w, is_trans ? n * K + k : k * N + n);

            q->w[k * N + n] = (double)rintf(v / (float)q->sw[n]);
        }
}

static void activation_codes(struct codes *q, const struct dsc_tensor *x, float low, float high)
{
    q->n_rows = dsc_tensor_n_elems(x) / K;
    for (int64_t i = 0; i < q->n_rows * K; i++) {
        const float c = rintf((float)dsc_tensor_get_f64(x, i) / q->sx) + q->zero;

        q->x[i] = (double)(c < low ? low : c > high ? high : c) - (double)q->zero;
    }
}

static void expected(const struct codes *q, const struct dsc_tensor *b, struct dsc_tensor *y)
{
    for (int64_t r = 0; r < q->n_rows; r++)
        for (int n = 0; n < N; n++) {
            double sum = 0;

            for (int k = 0; k < K; k++)
                sum += q->x[r * K + k] * q->w[k * N + n];
            sum *= (double)q->sx * q->sw[n];
            if (b)
                sum += dsc_tensor_get_f64(b, dsc_tensor_n_elems(b) == 1 ? 0 : n);
            ((float *)y->data)[r * N + n] = (float)sum;
        }
}

/* x, and room for what a graph gives. */
static void make_x(const struct product_case *c, struct dsc_tensor *x, struct dsc_tensor *y)
{
    const int64_t x_dim[] = {2, ROWS, K}, y_dim[] = {2, ROWS, N};
    const int skip = c->rank == 2;

    OK(dsc_tensor_new(x, DSC_F32, c->rank, x_dim + skip, &err));
    OK(dsc_tensor_new(y, DSC_F32, c->rank, y_dim + skip, &err));
    fill_normal(x, "x");
    for (int64_t i = 0; i < dsc_tensor_n_elems(x); i++) /* 0 is a value that must be exact */
        ((float *)x->data)[i] = i % 9 ? ((float *)x->data)[i] + 0.4f : 0;
}

static void computes(const char *what, const struct dsc_graph *g, const struct dsc_tensor *x,
                     const struct dsc_tensor *want, double slack)
{
    struct dsc_tensor y;

    run(g, x, &y);
    near(what, &y, want, 2e-6, slack);
    dsc_tensor_clear(&y);
}

static struct dsc_quant_target target_of(const struct product_case *c, enum widths widths)
{
    struct dsc_quant_target t = *target(c->target);

    t.is_act_symmetric = c->is_symmetric;
    if (widths == W4A8)
        t.weight_dtype = DSC_I4;
    if (widths == W8A16)
        t.act_dtype = DSC_U16;
    return t;
}

/* Ranges that cut some values off. */
static const struct choice cut = {.low = -1.7, .high = 2.1};

static void static_product(const struct product_case *c, enum widths widths)
{
    const struct dsc_quant_target t = target_of(c, widths);
    struct dsc_graph *g = product_graph(c);
    struct choice choice = cut;
    struct codes *q = dsc_heap_alloc(1, sizeof *q, NULL);
    struct dsc_tensor x, y;
    double scale, slack = 0;
    int64_t zero;
    int n_int;

    choice.is_per_tensor = c->is_per_tensor;
    make_x(c, &x, &y);
    weight_codes(q, init_of(g, "w"), c->is_trans, c->is_per_tensor,
                 t.weight_dtype == DSC_I4 ? 7 : 127);
    dsc_quant_params(t.act_dtype, t.is_act_symmetric, cut.low, cut.high, &scale, &zero);
    q->sx = (float)scale;
    q->zero = (float)zero;
    activation_codes(q, &x, t.act_dtype == DSC_I8 ? -128 : 0,
                     t.act_dtype == DSC_I8    ? 127
                     : t.act_dtype == DSC_U16 ? 65535
                                              : 255);
    expected(q, c->bias == NO_BIAS ? NULL : init_of(g, "b"), &y);
    OK(dsc_quant_prepare(g, &err));
    OK(insert(g, &t, &choice, &err));
    computes("simulated", g, &x, &y, 0);
    OK(dsc_quant_finish(g, &t, &err));
    ck_assert_int_eq(count(g, "FakeQuantize"), 0);
    for (int n = 0; n < N; n++) /* half a code of the bias */
        slack = fmax(slack, 0.5 * (double)q->sx * q->sw[n]);
    computes("written", g, &x, &y, t.has_int_bias ? slack : 0);
    dsc_tensor_clear(&y);
    run(g, &x, &y);
    OK(dsc_pass_inference(g, &n_int, &err));
    ck_assert_int_eq(n_int, c->stays_float ? 0 : 1);
    ck_assert_int_eq(count(g, "QGemm"), n_int);
    computes("on integers", g, &x, &y, 0);
    dsc_heap_free(q);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
}

START_TEST(static_products_compute_the_same_simulated_written_and_on_integers)
{
    static_product(&product_cases[_i], W8A8);
}
END_TEST

START_TEST(products_of_other_widths_compute_the_same)
{
    static_product(&width_cases[_i].product, width_cases[_i].widths);
}
END_TEST

START_TEST(dynamic_products_compute_the_same_as_written_and_on_integers)
{
    const struct product_case *c = &product_cases[_i];
    struct choice choice = {.is_dynamic = true, .is_per_tensor = c->is_per_tensor};
    struct dsc_graph *g = product_graph(c);
    struct codes *q = dsc_heap_alloc(1, sizeof *q, NULL);
    float low = 0, high = 0;
    struct dsc_tensor x, y;
    int n_int;

    make_x(c, &x, &y);
    weight_codes(q, init_of(g, "w"), c->is_trans, c->is_per_tensor, 127);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&x); i++) {
        low = fminf(low, ((float *)x.data)[i]);
        high = fmaxf(high, ((float *)x.data)[i]);
    }
    q->sx = (high - low) / 255; /* DynamicQuantizeLinear's text */
    q->zero = rintf(-low / q->sx);
    activation_codes(q, &x, 0, 255);
    expected(q, c->bias == NO_BIAS ? NULL : init_of(g, "b"), &y);
    OK(dsc_quant_prepare(g, &err));
    OK(insert(g, target("ort"), &choice, &err));
    OK(dsc_quant_finish(g, target("ort"), &err));
    OK(dsc_quant_dynamic(g, dsc_quant_target_find("generic"), &err));
    ck_assert_int_eq(count(g, "DynamicQuantizeLinear"), 1);
    ck_assert_int_eq(count(g, "MatMulInteger"), 1);
    computes("written", g, &x, &y, 0);
    OK(dsc_pass_inference(g, &n_int, &err));
    ck_assert_int_eq(n_int, 1);
    ck_assert_int_eq(count(g, "QGemm"), 1);
    computes("on integers", g, &x, &y, 0);
    dsc_heap_free(q);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
}
END_TEST

/* ---- products of two activations ---- */

static void attention_codes(const struct dsc_tensor *t, double scale, double zero, double low,
                            double high, double *v)
{
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++) {
        const double c = (double)rintf((float)dsc_tensor_get_f64(t, i) / (float)scale) + zero;

        v[i] = (fmin(fmax(c, low), high) - zero) * scale;
    }
}

START_TEST(products_of_activations_compute_the_same_on_integers)
{
    const struct dsc_quant_target *t = target(_i ? "tensorrt" : "ort");
    struct choice choice = {.low = -1.5, .high = 2.5, .is_attention = true};
    const int64_t a_dim[] = {2, 3, 5, 7}, b_dim[] = {2, 3, 7, 4}, y_dim[] = {2, 3, 5, 4};
    struct dsc_graph *g = dsc_graph_new(NULL);
    const double low = _i ? -128 : 0, high = _i ? 127 : 255;
    double a[2 * 3 * 5 * 7], b[2 * 3 * 7 * 4], scale;
    struct dsc_tensor x[2], y;
    int64_t zero;
    int n_int;

    call(g, "MatMul", "scores", 2,
         (int[]){input(g, "a", DSC_F32, 4, a_dim), input(g, "b", DSC_F32, 4, b_dim)});
    finish_building(g);
    OK(dsc_tensor_new(&x[0], DSC_F32, 4, a_dim, &err));
    OK(dsc_tensor_new(&x[1], DSC_F32, 4, b_dim, &err));
    OK(dsc_tensor_new(&y, DSC_F32, 4, y_dim, &err));
    fill_normal(&x[0], "a");
    fill_normal(&x[1], "b");
    dsc_quant_params(t->act_dtype, t->is_act_symmetric, choice.low, choice.high, &scale, &zero);
    attention_codes(&x[0], scale, (double)zero, low, high, a);
    attention_codes(&x[1], scale, (double)zero, low, high, b);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&y); i++) {
        double sum = 0;

        for (int64_t k = 0; k < 7; k++)
            sum += a[i / 4 * 7 + k] * b[(i / 20 * 7 + k) * 4 + i % 4];
        ((float *)y.data)[i] = (float)sum;
    }
    OK(insert(g, t, &choice, &err));
    computes("simulated", g, x, &y, 0);
    OK(dsc_quant_finish(g, t, &err));
    computes("written", g, x, &y, 0);
    OK(dsc_pass_inference(g, &n_int, &err));
    ck_assert_int_eq(n_int, 1);
    ck_assert_int_eq(count(g, "MatMulInteger"), 1);
    ck_assert_int_eq(count(g, "DequantizeLinear"), 0);
    computes("on integers", g, x, &y, 0);
    dsc_tensor_clear(&x[0]);
    dsc_tensor_clear(&x[1]);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
}
END_TEST

/* ---- a whole encoder ---- */

START_TEST(an_encoder_computes_the_same_simulated_written_and_on_integers)
{
    struct choice c = {.low = -6, .high = 6, .is_attention = _i % 2};
    const struct dsc_quant_target *t = target(_i / 2 ? "tensorrt" : "ort");
    struct dsc_graph *g = encoder(), *simulated;
    struct dsc_tensor ids[2], y;
    int n_int, n_found;

    for (int k = 0; k < 2; k++) {
        OK(dsc_tensor_new(&ids[k], DSC_I64, 2, (int64_t[]){3, 4}, &err));
        for (int i = 0; i < 12; i++)
            dsc_tensor_set_i64(&ids[k], i, (5 * i + k) % 9);
    }
    OK(dsc_quant_prepare(g, &err));
    OK(insert(g, t, &c, &err));
    OK(dsc_quant_finish(g, t, &err));
    simulated = copy(g); /* with the biases that the codes say: later rounding is the same */
    OK(dsc_quant_read(simulated, &n_found, NULL, &err));
    run(g, ids, &y);
    computes("simulated", simulated, ids, &y, 0);
    dsc_graph_free(simulated);
    OK(dsc_pass_inference(g, &n_int, &err));
    ck_assert_int_eq(n_int, c.is_attention ? 4 : 2);
    computes("on integers", g, ids, &y, 0);
    dsc_tensor_clear(&ids[0]);
    dsc_tensor_clear(&ids[1]);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
}
END_TEST

/* ---- scales out of the ordinary ---- */

/* Of a Gemm with such weights, simulated and written are the same. */
static void agrees(struct dsc_graph *g, struct choice *c, const char *scale, float v)
{
    const int64_t dim[] = {ROWS, K};
    struct dsc_tensor x, y;

    OK(dsc_tensor_new(&x, DSC_F32, 2, dim, &err));
    fill_normal(&x, "x");
    OK(insert(g, target("ort"), c, &err));
    if (scale)
        *(float *)init_of(g, scale)->data = v;
    run(g, &x, &y);
    OK(dsc_quant_finish(g, target("ort"), &err));
    computes("written", g, &x, &y, 0.01);
    dsc_tensor_clear(&y);
    run(g, &x, &y);
    OK(dsc_pass_inference(g, NULL, &err));
    ck_assert_int_eq(count(g, "QGemm"), 1);
    computes("on integers", g, &x, &y, 0);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
}

static const struct product_case layer = {"ort", BY_COLUMN, true, true, false, 2, false, false};

START_TEST(scales_that_learned_their_way_below_zero_are_written_as_simulated)
{
    static const float learned[] = {0, -0.1f, 1e-20f, 0.01f}; /* the last clips */
    struct choice c = cut;

    agrees(product_graph(&layer), &c, "x_scale", learned[_i]);
    agrees(product_graph(&layer), &c, "w_scale", learned[_i]);
}
END_TEST

/* Columns of next to nothing: the bias's code is outside int32, and the bias must stay. */
START_TEST(a_bias_of_a_column_without_weight_keeps_its_value)
{
    static const float sizes[] = {0, 1e-9f, 1e-12f, 1e-30f, 1e-42f};
    struct dsc_graph *g = product_graph(&layer);
    struct choice c = cut;

    for (int k = 0; k < K; k++)
        ((float *)init_of(g, "w")->data)[k] = sizes[_i] * (k % 2 ? 1 : -1);
    *(float *)init_of(g, "b")->data = 3;
    agrees(g, &c, NULL, 0);
}
END_TEST

/* ---- files of others ---- */

enum { SIDE = 6 };

/* What may be odd about a product between DequantizeLinear nodes. */
struct foreign {
    const char *what;
    enum dsc_dtype weight;
    int axis; /* of the weight's scales */
    int64_t weight_zero;
    bool is_gemm, is_trans, is_trans_a, has_alpha, has_rows, has_no_zero, has_many_scales;
    bool is_lowered;
};

static const struct foreign foreigns[] = {
    {"plain", .weight = DSC_I8, .axis = 1, .is_lowered = true},
    {"a Reshape behind DequantizeLinear", .weight = DSC_I8, .axis = 1, .is_gemm = true,
     .has_rows = true, .is_lowered = true},
    {"scales by row", .weight = DSC_I8, .axis = 0},
    {"scales by row of a transposed weight", .weight = DSC_I8, .axis = 0, .is_gemm = true,
     .is_trans = true, .is_lowered = true},
    {"scales by column of a transposed weight", .weight = DSC_I8, .axis = 1, .is_gemm = true,
     .is_trans = true},
    {"a negative axis", .weight = DSC_I8, .axis = -1, .is_lowered = true},
    {"u8 weights", .weight = DSC_U8, .axis = 1, .weight_zero = 128},
    {"a zero point of weights", .weight = DSC_I8, .axis = 1, .weight_zero = 3},
    {"transA", .weight = DSC_I8, .axis = 1, .is_gemm = true, .is_trans_a = true},
    {"alpha", .weight = DSC_I8, .axis = 1, .is_gemm = true, .has_alpha = true},
    {"no zero point", .weight = DSC_I8, .axis = 1, .has_no_zero = true},
    {"activations by column", .weight = DSC_I8, .axis = 1, .has_many_scales = true},
};

static int constant(struct dsc_graph *g, enum dsc_dtype dtype, int64_t n, int64_t m, double first,
                    double step)
{
    struct dsc_tensor t;
    int id;

    OK(dsc_tensor_new(&t, dtype, m > 0 ? 2 : n > 0, (int64_t[]){n, m}, &err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_f64(&t, i, first + step * (double)(i * 7 % 31));
    OK(dsc_graph_init(g, NULL, &t, &id, &err));
    dsc_tensor_clear(&t);
    return id;
}

static int linear(struct dsc_graph *g, const char *op, int n_in, const int *in, int axis)
{
    struct dsc_node *n;
    int out;

    OK(dsc_graph_call(g, "", op, NULL, n_in, in, &out, &n, &err));
    OK(dsc_node_set_int(g, n, "axis", axis, &err));
    return out;
}

static struct dsc_graph *foreign_graph(const struct foreign *f)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const int64_t dim[] = {2, SIDE / 2, SIDE}, n_x = f->has_many_scales ? SIDE : 0;
    const int n_par = f->has_no_zero ? 2 : 3;
    int x[3], w[3];

    x[0] = input(g, "x", DSC_F32, f->has_rows ? 3 : 2, f->has_rows ? dim : (int64_t[]){SIDE, SIDE});
    x[1] = constant(g, DSC_F32, n_x, 0, 0.02, 0.001);
    x[2] = constant(g, DSC_U8, n_x, 0, f->has_no_zero ? 0 : 117, 0);
    x[0] = linear(g, "QuantizeLinear", n_par, x, 1);
    x[0] = linear(g, "DequantizeLinear", n_par, x, 1);
    if (f->has_rows) {
        const int shape = constant(g, DSC_I64, 2, 0, -1, 0);

        dsc_tensor_set_i64(&g->values[shape].init, 1, SIDE);
        x[0] = call(g, "Reshape", NULL, 2, (int[]){x[0], shape});
    }
    w[0] = constant(g, f->weight, SIDE, SIDE, f->weight == DSC_U8 ? 60 : -90, 5);
    w[1] = constant(g, DSC_F32, SIDE, 0, 0.01, 0.003);
    w[2] = constant(g, f->weight, SIDE, 0, (double)f->weight_zero, 0);
    x[1] = linear(g, "DequantizeLinear", 3, w, f->axis);
    if (!f->is_gemm) {
        call(g, "MatMul", "product", 2, x);
    } else {
        gemm(g, "product", 2, x, f->is_trans);
        OK(dsc_node_set_int(g, g->nodes[g->n_nodes - 1], "transA", f->is_trans_a, &err));
        OK(dsc_node_set_float(g, g->nodes[g->n_nodes - 1], "alpha", f->has_alpha ? 0.5f : 1, &err));
    }
    finish_building(g);
    return g;
}

START_TEST(products_of_other_tools_run_on_integers_only_where_they_fit)
{
    const struct foreign *f = &foreigns[_i];
    struct dsc_graph *g = foreign_graph(f);
    struct dsc_tensor x, y;
    int n_int;

    OK(dsc_tensor_new(&x, DSC_F32, f->has_rows ? 3 : 2,
                      f->has_rows ? (int64_t[]){2, SIDE / 2, SIDE} : (int64_t[]){SIDE, SIDE},
                      &err));
    fill_normal(&x, "x");
    run(g, &x, &y);
    OK(dsc_pass_inference(g, &n_int, &err));
    ck_assert_msg(n_int == f->is_lowered, "%s: %d on integers", f->what, n_int);
    computes(f->what, g, &x, &y, 0);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quant-paths");
    TCase *t = tcase_create("quant-paths");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, static_products_compute_the_same_simulated_written_and_on_integers, 0,
                        N_PRODUCTS);
    tcase_add_loop_test(t, dynamic_products_compute_the_same_as_written_and_on_integers, 0,
                        N_PRODUCTS);
    tcase_add_loop_test(t, products_of_other_widths_compute_the_same, 0, N_WIDTHS);
    tcase_add_loop_test(t, products_of_activations_compute_the_same_on_integers, 0, 2);
    tcase_add_loop_test(t, an_encoder_computes_the_same_simulated_written_and_on_integers, 0, 4);
    tcase_add_loop_test(t, scales_that_learned_their_way_below_zero_are_written_as_simulated, 0, 4);
    tcase_add_loop_test(t, a_bias_of_a_column_without_weight_keeps_its_value, 0, 5);
    tcase_add_loop_test(t, products_of_other_tools_run_on_integers_only_where_they_fit, 0,
                        sizeof foreigns / sizeof foreigns[0]);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
