/*
 * Weight-only quantization: GPTQ against the paper's own steps in naive double arithmetic, scales
 * against a plain range, AWQ and damping, and that every spelling computes with the same weights.
 */
#include "dsc/linalg.h"
#include "quant_graphs.h"
#include "weights.h"

enum { N = 20, K = 160, TOKENS = 300 };

static struct dsc_device *cpu(int n_threads)
{
    struct dsc_device *dev;

    OK(dsc_device_open(&dev, "cpu", n_threads, &err));
    return dev;
}

static float *normals(const char *name, int64_t n)
{
    struct dsc_rng r;
    float *v = malloc((size_t)n * sizeof *v);

    dsc_rng_init(&r, dsc_rng_mix_text(dsc_rng_key(3), name));
    for (int64_t i = 0; i < n; i++)
        v[i] = dsc_rng_normal(&r);
    return v;
}

/* Tokens whose channels are of several sizes and depend on each other. */
static float *tokens(void)
{
    float *x = normals("x", TOKENS * K);

    for (int64_t t = 0; t < TOKENS; t++)
        for (int64_t k = 1; k < K; k++) {
            x[t * K + k] += 0.7f * x[t * K + k - 1];
            x[t * K + k] *= k % 37 == 5 ? 4.0f : 1.0f;
        }
    return x;
}

static float *gram(struct dsc_device *dev, const float *x)
{
    float *h = calloc(K * K, sizeof *h);

    OK(dsc_linalg_gram(dev, h, x, TOKENS, K, &err));
    return h;
}

static void make(struct dsc_weight_codes *q, struct dsc_device *dev, int bits, bool is_symmetric,
                 const float *w)
{
    const struct dsc_weight_layout l = {bits, is_symmetric, 16};

    OK(dsc_weight_codes_new(q, &l, N, K, &err));
    dsc_weight_scales(dev, q, w, NULL);
}

static double output_error(struct dsc_device *dev, const struct dsc_weight_codes *q, const float *w,
                           const float *h)
{
    float *e = malloc(N * K * sizeof *e);
    double energy;

    for (int64_t i = 0; i < N * K; i++)
        e[i] = w[i] - (float)dsc_weight_value(q, i / K, i % K, q->code[i]);
    OK(dsc_linalg_gram_energy(dev, e, N, h, K, &energy, &err));
    free(e);
    return energy;
}

START_TEST(gram_and_factor_are_those_of_the_definitions)
{
    struct dsc_device *dev = cpu(2);
    float *x = tokens(), *h = gram(dev, x);
    double *a = malloc(K * K * sizeof *a);
    int64_t bad;

    for (int64_t i = 0; i < K; i++)
        for (int64_t j = i; j < K; j++) {
            double sum = 0;

            for (int64_t t = 0; t < TOKENS; t++)
                sum += (double)x[t * K + i] * (double)x[t * K + j];
            ck_assert_double_le(fabs((double)h[i * K + j] - sum), 1e-3 * (1 + fabs(sum)));
            a[i * K + j] = (double)h[i * K + j];
        }
    OK(dsc_linalg_cholesky(dev, a, K, &bad, &err));
    ck_assert_int_eq(bad, -1);
    for (int64_t i = 0; i < K; i++)
        for (int64_t j = i; j < K; j++) {
            double sum = 0;

            for (int64_t r = 0; r <= i; r++)
                sum += a[r * K + i] * a[r * K + j];
            ck_assert_double_le(fabs(sum - (double)h[i * K + j]),
                                1e-9 * (double)h[i * K + i] + 1e-6);
        }
    a[0] = -1;
    OK(dsc_linalg_cholesky(dev, a, K, &bad, &err));
    ck_assert_int_eq(bad, 0);
    free(a);
    free(h);
    free(x);
    dsc_device_close(dev);
}
END_TEST

/* Gauss-Jordan. */
static void invert(double *a, double *inverse)
{
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++)
            inverse[i * K + j] = i == j;
    for (int i = 0; i < K; i++) {
        const double pivot = a[i * K + i];

        for (int j = 0; j < K; j++) {
            a[i * K + j] /= pivot;
            inverse[i * K + j] /= pivot;
        }
        for (int r = 0; r < K; r++) {
            const double f = a[r * K + i];

            for (int j = 0; r != i && j < K; j++) {
                a[r * K + j] -= f * a[i * K + j];
                inverse[r * K + j] -= f * inverse[i * K + j];
            }
        }
    }
}

/* The upper factor U of a = U^T U, by rows. */
static void upper_factor(double *a)
{
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++) {
            double sum = a[i * K + j];

            for (int r = 0; r < i && j >= i; r++)
                sum -= a[r * K + i] * a[r * K + j];
            a[i * K + j] = j < i ? 0 : j == i ? sqrt(sum) : sum / a[i * K + i];
        }
}

/*
 * The paper's algorithm 1 with blocks of one column: U = Cholesky(H^-1)^T, each column rounded,
 * its error over U_jj taken from the columns behind it. Columns by H_kk, the largest first.
 */
static void reference_gptq(struct dsc_weight_codes *q, const float *w, const float *h,
                           double damping)
{
    double *a = malloc(K * K * sizeof *a), *u = malloc(K * K * sizeof *u), v[K], mean = 0;
    int order[K];

    for (int i = 0; i < K; i++) {
        order[i] = i;
        mean += (double)h[i * K + i] / K;
    }
    for (int i = 0; i < K; i++)
        for (int j = i + 1; j < K; j++)
            if (h[order[j] * K + order[j]] > h[order[i] * K + order[i]]) {
                const int t = order[i];

                order[i] = order[j];
                order[j] = t;
            }
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++) {
            const int r = order[i] < order[j] ? order[i] : order[j];
            const int c = order[i] < order[j] ? order[j] : order[i];

            a[i * K + j] = (double)h[r * K + c] + (i == j ? damping * mean : 0);
        }
    invert(a, u);
    upper_factor(u);
    for (int row = 0; row < N; row++) {
        for (int j = 0; j < K; j++)
            v[j] = (double)w[row * K + order[j]];
        for (int j = 0; j < K; j++) {
            const uint8_t code = dsc_weight_code(q, row, order[j], v[j]);
            const double e = (v[j] - dsc_weight_value(q, row, order[j], code)) / u[j * K + j];

            q->code[row * K + order[j]] = code;
            for (int k = j; k < K; k++)
                v[k] -= e * u[j * K + k];
        }
    }
    free(a);
    free(u);
}

START_TEST(gptq_gives_the_codes_of_the_papers_steps)
{
    struct dsc_device *dev = cpu(2);
    float *x = tokens(), *h = gram(dev, x), *w = normals("w", N * K);
    struct dsc_weight_codes got, want;
    struct dsc_gptq_report report;

    make(&got, dev, 4, _i == 1, w);
    make(&want, dev, 4, _i == 1, w);
    OK(dsc_gptq(dev, &got, w, h, 0.01, &report, &err));
    reference_gptq(&want, w, h, 0.01);
    ck_assert_mem_eq(got.code, want.code, N * K);
    ck_assert_double_eq(report.damping, 0.01);
    ck_assert_int_eq(report.n_dead, 0);
    dsc_weight_round(dev, &want, w);
    ck_assert_double_lt(output_error(dev, &got, w, h), 0.6 * output_error(dev, &want, w, h));
    dsc_weight_codes_clear(&got);
    dsc_weight_codes_clear(&want);
    free(x);
    free(h);
    free(w);
    dsc_device_close(dev);
}
END_TEST

START_TEST(codes_do_not_depend_on_threads)
{
    struct dsc_device *one = cpu(1), *three = cpu(3);
    float *x = tokens(), *h = gram(one, x), *w = normals("w", N * K), *h3 = gram(three, x);
    struct dsc_weight_codes a, b;
    struct dsc_gptq_report report;

    ck_assert_mem_eq(h, h3, K * K * sizeof *h);
    make(&a, one, 4, false, w);
    make(&b, three, 4, false, w);
    ck_assert_mem_eq(a.scale, b.scale, N * K / 16 * sizeof *a.scale);
    OK(dsc_gptq(one, &a, w, h, 0.01, &report, &err));
    OK(dsc_gptq(three, &b, w, h, 0.01, &report, &err));
    ck_assert_mem_eq(a.code, b.code, N * K);
    dsc_weight_codes_clear(&a);
    dsc_weight_codes_clear(&b);
    free(x);
    free(h);
    free(h3);
    free(w);
    dsc_device_close(one);
    dsc_device_close(three);
}
END_TEST

START_TEST(singular_matrices_are_damped_or_refused)
{
    struct dsc_device *dev = cpu(1);
    float *h = calloc(K * K, sizeof *h), *w = normals("w", N * K);
    struct dsc_weight_codes q, nearest;
    struct dsc_gptq_report report;
    struct dsc_err err = {0};

    make(&q, dev, 4, false, w);
    make(&nearest, dev, 4, false, w);
    dsc_weight_round(dev, &nearest, w);
    ck_assert_int_eq(dsc_gptq(dev, &q, w, h, 0.01, &report, &err), DSC_E_INCONSISTENT);
    err = (struct dsc_err){0};
    h[0] = 3; /* one channel was ever used: there is nothing to make up for */
    OK(dsc_gptq(dev, &q, w, h, 0.01, &report, &err));
    ck_assert_int_eq(report.n_dead, K - 1);
    ck_assert_mem_eq(q.code, nearest.code, N * K);
    h[1] = 100; /* not positive: no sum of squares has this */
    ck_assert_int_eq(dsc_gptq(dev, &q, w, h, 0.01, &report, &err), DSC_E_INCONSISTENT);
    ck_assert_double_eq(report.damping, 1);
    err = (struct dsc_err){0};
    ck_assert_int_eq(dsc_gptq(dev, &q, w, h, 1e-7, &report, &err), DSC_E_INCONSISTENT);
    ck_assert_double_eq(report.damping, 1); /* it goes on until all of the diagonal is added */
    for (int at = 0; at < 2; at++) {
        err = (struct dsc_err){0};
        h[at] = NAN;
        ck_assert_int_eq(dsc_gptq(dev, &q, w, h, 0.01, &report, &err), DSC_E_NONFINITE);
    }
    dsc_weight_codes_clear(&q);
    dsc_weight_codes_clear(&nearest);
    free(h);
    free(w);
    dsc_device_close(dev);
}
END_TEST

/* Sum of weighted squared errors when the nearest code is taken. */
static double weighted_error(const struct dsc_weight_codes *q, const float *w, const float *c)
{
    double sum = 0;

    for (int64_t i = 0; i < N * K; i++) {
        const uint8_t code = dsc_weight_code(q, i / K, i % K, (double)w[i]);
        const double e = (double)w[i] - dsc_weight_value(q, i / K, i % K, code);

        sum += (c ? (double)c[i % K] : 1) * e * e;
    }
    return sum;
}

START_TEST(searched_scales_beat_the_full_range_and_know_what_matters)
{
    struct dsc_device *dev = cpu(1);
    const struct dsc_weight_layout l = {4, _i == 1, 32};
    float *w = normals("w", N * K), importance[K];
    struct dsc_weight_codes plain, searched, weighted;

    for (int k = 0; k < K; k++)
        importance[k] = k % 32 == 3 ? 50.0f : 0.1f;
    OK(dsc_weight_codes_new(&plain, &l, N, K, &err));
    OK(dsc_weight_codes_new(&searched, &l, N, K, &err));
    OK(dsc_weight_codes_new(&weighted, &l, N, K, &err));
    for (int64_t g = 0; g < N * plain.n_groups; g++) {
        const float *v = w + g * 32;
        float low = 0, high = 0;

        for (int i = 0; i < 32; i++) {
            low = fminf(low, v[i]);
            high = fmaxf(high, v[i]);
        }
        plain.scale[g] = _i == 1 ? fmaxf(-low, high) / 7 : (high - low) / 15;
        if (plain.zero)
            plain.zero[g] = (uint8_t)rintf(-low / plain.scale[g]);
    }
    dsc_weight_scales(dev, &searched, w, NULL);
    dsc_weight_scales(dev, &weighted, w, importance);
    ck_assert_double_lt(weighted_error(&searched, w, NULL), 0.95 * weighted_error(&plain, w, NULL));
    ck_assert_double_lt(weighted_error(&weighted, w, importance),
                        0.7 * weighted_error(&searched, w, importance));
    dsc_weight_codes_clear(&plain);
    dsc_weight_codes_clear(&searched);
    dsc_weight_codes_clear(&weighted);
    free(w);
    dsc_device_close(dev);
}
END_TEST

START_TEST(awq_scales_up_what_large_channels_meet)
{
    struct dsc_device *dev = cpu(2);
    const struct dsc_weight_layout l = {4, false, 16};
    float *x = normals("x", TOKENS * K), *w = normals("w", N * K), *h, *scaled, s[K];
    const float *weights[1] = {w};
    const int64_t n_rows[1] = {N};
    struct dsc_weight_codes plain, q;
    double alpha = -1, error = 0, want;

    for (int64_t t = 0; t < TOKENS; t++)
        x[t * K + 7] *= 30;
    h = gram(dev, x);
    OK(dsc_awq(dev, 1, weights, n_rows, K, h, &l, s, &alpha, &err));
    ck_assert_double_gt(alpha, 0);
    ck_assert_float_gt(s[7], 2 * s[8]);
    make(&plain, dev, 4, false, w);
    dsc_weight_round(dev, &plain, w);
    want = output_error(dev, &plain, w, h);
    scaled = malloc(N * K * sizeof *scaled);
    for (int64_t i = 0; i < N * K; i++)
        scaled[i] = w[i] * s[i % K];
    make(&q, dev, 4, false, scaled);
    dsc_weight_round(dev, &q, scaled);
    for (int64_t i = 0; i < N * K; i++)
        scaled[i] = w[i] - (float)dsc_weight_value(&q, i / K, i % K, q.code[i]) / s[i % K];
    OK(dsc_linalg_gram_energy(dev, scaled, N, h, K, &error, &err));
    ck_assert_double_lt(error, 0.7 * want);
    dsc_weight_codes_clear(&plain);
    dsc_weight_codes_clear(&q);
    free(x);
    free(w);
    free(h);
    free(scaled);
    dsc_device_close(dev);
}
END_TEST

/* ---- spellings ---- */

/* MatMul [K,N] with Add, Relu, Gemm [N,K]. */
static struct dsc_graph *layers(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){5, 32});

    x = call(g, "MatMul", "one", 2, (int[]){x, weight(g, "w1", 2, (int64_t[]){32, 48})});
    x = call(g, "Add", "add", 2, (int[]){weight(g, "b1", 1, (int64_t[]){48}), x});
    x = call(g, "Relu", "relu", 1, &x);
    gemm(g, "two", 3,
         (int[]){x, weight(g, "w2", 2, (int64_t[]){3, 48}), weight(g, "b2", 1, (int64_t[]){3})},
         true);
    finish_building(g);
    return g;
}

/*
 * Gemms whose biases are no vector of columns, and a weight that a node left out reads as well; or
 * that node reads a copy.
 */
static struct dsc_graph *odd_layers(bool has_copy)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){5, 32}), w, y;

    w = weight(g, "w1", 2, (int64_t[]){32, 32});
    y = gemm(g, "one", 3, (int[]){x, w, weight(g, "b1", 1, (int64_t[]){1})}, true);
    y = gemm(
        g, "two", 3,
        (int[]){y, weight(g, "w2", 2, (int64_t[]){16, 32}), weight(g, "b2", 2, (int64_t[]){5, 1})},
        true);
    if (has_copy)
        OK(dsc_graph_init(g, "copy", &g->values[w].init, &w, &err));
    x = gemm(g, "left", 2, (int[]){x, w}, true);
    x = call(g, "MatMul", "three", 2, (int[]){x, weight(g, "w3", 2, (int64_t[]){32, 16})});
    call(g, "Add", "sum", 2, (int[]){y, x});
    finish_building(g);
    return g;
}

static enum dsc_quant_choice not_left(void *ctx, const char *node, const char *weight_name)
{
    return strcmp(node, "left") == 0 ? DSC_QUANT_LEFT_OUT : DSC_QUANT_CHOSEN;
}

/* Codes of all weights: in a spelling, or (NULL) as the floats that they stand for. */
static struct dsc_graph *spelled(struct dsc_graph *g, const char *name,
                                 const struct dsc_weight_layout *layout)
{
    struct dsc_quant_target t = *dsc_quant_target_find(name ? name : "generic");
    struct dsc_device *dev = cpu(1);
    struct dsc_quant_plan plan;
    struct dsc_arena arena;

    t.is_weight_only = true;
    dsc_arena_init(&arena);
    OK(dsc_quant_make_plan(g, &t, not_left, NULL, &arena, &plan, &err));
    for (int i = 0; i < plan.n_sites; i++) {
        struct dsc_tensor w, restored;
        struct dsc_weight_codes q;

        if (plan.sites[i].kind == DSC_SITE_ACTIVATION)
            continue;
        OK(dsc_weight_rows(g, &plan.sites[i], &w, &err));
        OK(dsc_weight_codes_new(&q, layout, w.dim[0], w.dim[1], &err));
        dsc_weight_scales(dev, &q, w.data, NULL);
        dsc_weight_round(dev, &q, w.data);
        OK(dsc_weight_restore(g, &plan.sites[i], &q, &restored, &err));
        if (name)
            OK(dsc_quant_put_weight(g, &plan, &plan.sites[i], &q, &err));
        else
            OK(dsc_graph_set_init(g, plan.sites[i].value, &restored, &err));
        dsc_weight_codes_clear(&q);
        dsc_tensor_clear(&restored);
        dsc_tensor_clear(&w);
    }
    OK(dsc_graph_sort(g, true, &err));
    OK(dsc_graph_verify(g, &err));
    dsc_arena_clear(&arena);
    dsc_device_close(dev);
    return g;
}

static const struct dsc_weight_layout layouts[] = {
    {4, false, 16}, {4, true, 16}, {8, true, 16}, {8, false, 16}, {4, false, 0}, {8, true, 0},
};

START_TEST(every_spelling_computes_with_the_same_weights)
{
    const struct dsc_weight_layout *l = &layouts[_i];
    struct dsc_graph *plain = spelled(layers(), NULL, l);
    struct dsc_graph *dq = spelled(layers(), "generic", l), *nbits = spelled(layers(), "ort", l);
    struct dsc_tensor x, want, got;

    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){5, 32}, &err));
    fill_normal(&x, "x");
    run(plain, &x, &want);
    run(dq, &x, &got);
    near("DequantizeLinear", &got, &want, 1e-6, 0);
    dsc_tensor_clear(&got);
    run(nbits, &x, &got);
    near("MatMulNBits", &got, &want, 1e-5, 0);
    ck_assert_int_eq(count(dq, "DequantizeLinear"), 2);
    /* a channel of 32 is a block, one of 48 is none */
    ck_assert_int_eq(count(nbits, "MatMulNBits"), l->group ? 2 : 1);
    ck_assert_int_eq(count(nbits, "DequantizeLinear"), l->group ? 0 : 1);
    ck_assert(dsc_quant_is_quantized(nbits));
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_graph_free(plain);
    dsc_graph_free(dq);
    dsc_graph_free(nbits);
}
END_TEST

START_TEST(odd_biases_and_shared_weights_compute_the_same)
{
    const struct dsc_weight_layout *l = &layouts[0];
    struct dsc_graph *plain = spelled(odd_layers(true), NULL, l);
    struct dsc_graph *dq = spelled(odd_layers(false), "generic", l);
    struct dsc_graph *nbits = spelled(odd_layers(false), "ort", l);
    struct dsc_tensor x, want, got;

    ck_assert_int_eq(count(nbits, "MatMulNBits"), 3);
    ck_assert_int_eq(count(nbits, "Gemm"), 1);
    ck_assert_int_eq(count(dq, "DequantizeLinear"), 3);
    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){5, 32}, &err));
    fill_normal(&x, "x");
    run(plain, &x, &want);
    run(dq, &x, &got);
    near("DequantizeLinear", &got, &want, 1e-6, 0);
    dsc_tensor_clear(&got);
    run(nbits, &x, &got);
    near("MatMulNBits", &got, &want, 1e-5, 0);
    for (int i = 0; i < nbits->n_nodes; i++) {
        const struct dsc_node *n = nbits->nodes[i];

        if (strcmp(n->op->onnx, "MatMulNBits") == 0) /* x is not rounded */
            ck_assert_int_eq((int)dsc_node_int(n, "accuracy_level", 0), 1);
    }
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_graph_free(plain);
    dsc_graph_free(dq);
    dsc_graph_free(nbits);
}
END_TEST

/* For those who compare the two models layer by layer. */
START_TEST(outputs_of_layers_and_lookups_keep_their_names)
{
    struct dsc_graph *g = layers(), *e = encoder();
    char one[64], words[64];

    snprintf(one, sizeof one, "%s",
             g->values[g->nodes[dsc_graph_find_node(g, "one")]->out[0]].name);
    snprintf(words, sizeof words, "%s",
             e->values[e->nodes[dsc_graph_find_node(e, "words")]->out[0]].name);
    spelled(g, "ort", &layouts[0]);
    spelled(e, "generic", &layouts[5]);
    ck_assert_int_ge(g->values[dsc_graph_find_value(g, one)].producer, 0);
    ck_assert_int_ge(e->values[dsc_graph_find_value(e, words)].producer, 0);
    dsc_graph_free(g);
    dsc_graph_free(e);
}
END_TEST

static const char block_text[] =
    "w1/dequantize_out:f32[32,48] = DequantizeLinear(w1_quantized, w1_scale, w1_zero_point) axis=0 "
    "block_size=16\n";
static const char table_text[] =
    "words/codes_out:i8[rows,tokens,6] = Gather(table_quantized, ids)\n"
    "words/float_out:f32[rows,tokens,6] = Cast(words/codes_out) to=1\n"
    "words/scales_out:f32[rows,tokens,1] = Gather(table_scale, ids)\n";

START_TEST(weights_and_tables_are_spelled_for_every_runtime)
{
    struct dsc_graph *g = spelled(layers(), "openvino", &layouts[0]);
    struct dsc_graph *e = spelled(encoder(), "openvino", &layouts[5]);
    char *text = text_of(g);

    ck_assert_msg(strstr(text, block_text) != NULL, "%s", text);
    ck_assert_int_eq(init_of(g, "w2_quantized")->dtype, DSC_U4);
    dsc_heap_free(text);
    text = text_of(e);
    ck_assert_msg(strstr(text, table_text) != NULL, "%s", text);
    ck_assert_int_eq(count(e, "Gather"), 4);
    dsc_heap_free(text);
    dsc_graph_free(g);
    dsc_graph_free(e);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("weights");
    TCase *t = tcase_create("weights");
    SRunner *r;
    int n_failed;

    tcase_add_test(t, gram_and_factor_are_those_of_the_definitions);
    tcase_add_loop_test(t, gptq_gives_the_codes_of_the_papers_steps, 0, 2);
    tcase_add_test(t, codes_do_not_depend_on_threads);
    tcase_add_test(t, singular_matrices_are_damped_or_refused);
    tcase_add_loop_test(t, searched_scales_beat_the_full_range_and_know_what_matters, 0, 2);
    tcase_add_test(t, awq_scales_up_what_large_channels_meet);
    tcase_add_loop_test(t, every_spelling_computes_with_the_same_weights, 0,
                        (int)(sizeof layouts / sizeof layouts[0]));
    tcase_add_test(t, odd_biases_and_shared_weights_compute_the_same);
    tcase_add_test(t, outputs_of_layers_and_lookups_keep_their_names);
    tcase_add_test(t, weights_and_tables_are_spelled_for_every_runtime);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? 1 : 0;
}
