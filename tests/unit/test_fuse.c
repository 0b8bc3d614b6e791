/*
 * What the inference plan must leave alone, or must not get wrong: graphs that look like a fusion's
 * pattern, each run as it is and behind the plan.
 */
#include "quant_graphs.h"

enum { MAX_FEEDS = 5, MAX_OPS = 4 };

struct wanted {
    const char *op;
    int n;
};

struct fuse_case {
    const char *what;
    void (*build)(struct dsc_graph *g);
    struct wanted ops[MAX_OPS]; /* of the planned graph */
};

static int node(struct dsc_graph *g, const char *op, int n_in, const int *in, struct dsc_node **n)
{
    int out;

    OK(dsc_graph_call(g, "", op, NULL, n_in, in, &out, n, &err));
    return out;
}

static int with_int(struct dsc_graph *g, const char *op, int n_in, const int *in, const char *attr,
                    int64_t v)
{
    struct dsc_node *n;
    const int out = node(g, op, n_in, in, &n);

    OK(dsc_node_set_int(g, n, attr, v, &err));
    return out;
}

static int with_float(struct dsc_graph *g, const char *op, int n_in, const int *in,
                      const char *attr, float v)
{
    struct dsc_node *n;
    const int out = node(g, op, n_in, in, &n);

    OK(dsc_node_set_float(g, n, attr, v, &err));
    return out;
}

static int two(struct dsc_graph *g, const char *op, int a, int b)
{
    return node(g, op, 2, (int[]){a, b}, NULL);
}

static int one(struct dsc_graph *g, const char *op, int x)
{
    return node(g, op, 1, &x, NULL);
}

static int x_of(struct dsc_graph *g, const char *name, int rank, const int64_t *dim)
{
    return input(g, name, DSC_F32, rank, dim);
}

/* v in all elements. */
static int filled(struct dsc_graph *g, const char *name, enum dsc_dtype dtype, int rank,
                  const int64_t *dim, double v)
{
    struct dsc_tensor t;
    int id;

    OK(dsc_tensor_new(&t, dtype, rank, dim, &err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_f64(&t, i, v);
    OK(dsc_graph_init(g, name, &t, &id, &err));
    dsc_tensor_clear(&t);
    return id;
}

static int number(struct dsc_graph *g, const char *name, double v)
{
    return filled(g, name, DSC_F32, 0, NULL, v);
}

#define DIM(...) ((const int64_t[]){__VA_ARGS__})

/* ---- batch normalization: where it goes into the product ---- */

static int batchnorm(struct dsc_graph *g, int x, int64_t n, struct dsc_node **norm)
{
    const int in[5] = {x, weight(g, "scale", 1, &n), weight(g, "shift", 1, &n),
                       weight(g, "mean", 1, &n), filled(g, "var", DSC_F32, 1, &n, 0.7)};
    struct dsc_node *own;
    const int out = node(g, "BatchNormalization", 5, in, &own);

    OK(dsc_node_set_float(g, own, "epsilon", 0.01f, &err));
    if (norm)
        *norm = own;
    return out;
}

static int layer(struct dsc_graph *g, bool has_bias, bool is_turned)
{
    const int in[3] = {x_of(g, "x", 2, DIM(5, 6)),
                       weight(g, "w", 2, is_turned ? DIM(8, 6) : DIM(6, 8)),
                       has_bias ? weight(g, "b", 1, DIM(8)) : DSC_NO_VALUE};

    return with_int(g, "Gemm", 2 + has_bias, in, "transB", is_turned);
}

static void norm_behind_a_layer(struct dsc_graph *g)
{
    one(g, "Relu", batchnorm(g, layer(g, true, true), 8, NULL));
}

static void norm_behind_a_layer_without_bias(struct dsc_graph *g)
{
    batchnorm(g, layer(g, false, false), 8, NULL);
}

static void norm_behind_a_product(struct dsc_graph *g)
{
    batchnorm(g, two(g, "MatMul", x_of(g, "x", 2, DIM(5, 6)), weight(g, "w", 2, DIM(6, 8))), 8,
              NULL);
}

static void norm_behind_a_convolution(struct dsc_graph *g)
{
    const int in[2] = {x_of(g, "x", 4, DIM(2, 4, 5, 6)), weight(g, "w", 4, DIM(6, 2, 3, 2))};

    one(g, "Relu", batchnorm(g, with_int(g, "Conv", 2, in, "group", 2), 6, NULL));
}

static void norm_behind_a_transposed_convolution(struct dsc_graph *g)
{
    const int in[3] = {x_of(g, "x", 3, DIM(2, 4, 5)), weight(g, "w", 3, DIM(4, 3, 2)),
                       weight(g, "b", 1, DIM(6))};

    batchnorm(g, with_int(g, "ConvTranspose", 3, in, "group", 2), 6, NULL);
}

static void norm_of_sequences(struct dsc_graph *g) /* channels are tokens */
{
    batchnorm(g, two(g, "MatMul", x_of(g, "x", 3, DIM(2, 4, 6)), weight(g, "w", 2, DIM(6, 8))), 4,
              NULL);
}

static void norm_behind_a_layer_that_is_read(struct dsc_graph *g)
{
    const int y = layer(g, true, true);

    two(g, "Add", batchnorm(g, y, 8, NULL), y);
}

static void norm_of_the_batch(struct dsc_graph *g)
{
    struct dsc_node *n;

    batchnorm(g, layer(g, true, true), 8, &n);
    OK(dsc_node_set_int(g, n, "training_mode", 1, &err));
}

static void norm_behind_half_a_layer(struct dsc_graph *g)
{
    const int in[3] = {x_of(g, "x", 2, DIM(5, 6)), weight(g, "w", 2, DIM(6, 8)),
                       weight(g, "b", 1, DIM(8))};

    batchnorm(g, with_float(g, "Gemm", 3, in, "alpha", 0.5f), 8, NULL);
}

static void norm_first(struct dsc_graph *g)
{
    batchnorm(g, x_of(g, "x", 3, DIM(2, 4, 6)), 4, NULL);
}

static void norm_of_a_weight_of_two(struct dsc_graph *g)
{
    const int x = x_of(g, "x", 2, DIM(5, 6)), w = weight(g, "w", 2, DIM(6, 6));

    two(g, "MatMul", batchnorm(g, two(g, "MatMul", x, w), 6, NULL), w);
}

/* ---- normalization ---- */

static void norm_of_other_epsilon(struct dsc_graph *g)
{
    const int sum = two(g, "Add", x_of(g, "x", 2, DIM(5, 6)), x_of(g, "r", 2, DIM(5, 6)));

    with_float(g, "LayerNormalization", 2, (int[]){sum, weight(g, "gain", 1, DIM(6))}, "epsilon",
               0.5f);
}

static void norm_of_two_axes(struct dsc_graph *g)
{
    const int sum = two(g, "Add", x_of(g, "x", 3, DIM(2, 4, 4)), x_of(g, "r", 3, DIM(2, 4, 4)));

    with_int(g, "LayerNormalization", 2, (int[]){sum, weight(g, "gain", 1, DIM(4))}, "axis", 1);
}

static void norm_whose_mean_is_read(struct dsc_graph *g)
{
    const int sum = two(g, "Add", x_of(g, "x", 2, DIM(5, 6)), x_of(g, "r", 2, DIM(5, 6)));
    int out[2];

    OK(dsc_graph_value(g, NULL, NULL, &out[0], &err));
    OK(dsc_graph_value(g, NULL, NULL, &out[1], &err));
    OK(dsc_graph_node(g, dsc_op_find("", "LayerNormalization"), "norm", 2,
                      (int[]){sum, weight(g, "gain", 1, DIM(6))}, 2, out, NULL, &err));
    two(g, "Add", out[0], out[1]);
}

static void norm_whose_sum_is_read(struct dsc_graph *g)
{
    const int sum = two(g, "Add", x_of(g, "x", 2, DIM(5, 6)), x_of(g, "r", 2, DIM(5, 6)));

    two(g, "Mul", two(g, "LayerNormalization", sum, weight(g, "gain", 1, DIM(6))), sum);
}

static void norm_of_a_stretched_sum(struct dsc_graph *g)
{
    const int sum = two(g, "Add", x_of(g, "x", 3, DIM(2, 1, 6)), x_of(g, "r", 3, DIM(1, 5, 6)));

    two(g, "LayerNormalization", sum, weight(g, "gain", 1, DIM(6)));
}

/* ---- codes ---- */

static void quantized(struct dsc_graph *g, int x, enum dsc_dtype code, int64_t n_scales)
{
    const int rank = n_scales > 1;
    const int scale = filled(g, "scale", DSC_F32, rank, &n_scales, 0.0625);
    const int zero = filled(g, "zero", code, rank, &n_scales, 100);

    if (rank)
        for (int64_t i = 0; i < n_scales; i++)
            ((float *)g->values[scale].init.data)[i] = 0.0625f * (float)(i + 1);
    x = with_int(g, "QuantizeLinear", 3, (int[]){x, scale, zero}, "axis", 1);
    with_int(g, "DequantizeLinear", 3, (int[]){x, scale, zero}, "axis", 1);
}

static void factors_before_one_scale(struct dsc_graph *g)
{
    quantized(g, two(g, "Mul", x_of(g, "x", 2, DIM(5, 6)), weight(g, "factors", 1, DIM(6))), DSC_U8,
              1);
}

static void factors_before_many_scales(struct dsc_graph *g)
{
    quantized(g, two(g, "Mul", x_of(g, "x", 2, DIM(5, 6)), weight(g, "factors", 1, DIM(6))), DSC_U8,
              6);
}

static void factors_before_wide_codes(struct dsc_graph *g)
{
    quantized(g, two(g, "Mul", x_of(g, "x", 2, DIM(5, 6)), weight(g, "factors", 1, DIM(6))),
              DSC_U16, 1);
}

static void one_factor_before_codes(struct dsc_graph *g)
{
    quantized(g, two(g, "Mul", x_of(g, "x", 2, DIM(5, 6)), number(g, "factor", 3)), DSC_U8, 1);
}

static void factors_of_rows_before_codes(struct dsc_graph *g)
{
    quantized(g, two(g, "Mul", x_of(g, "x", 2, DIM(5, 6)), weight(g, "factors", 2, DIM(5, 1))),
              DSC_U8, 1);
}

/* ---- products ---- */

static int product(struct dsc_graph *g)
{
    return two(g, "MatMul", x_of(g, "x", 2, DIM(5, 6)), weight(g, "w", 2, DIM(6, 4)));
}

static void act_of_a_product_that_is_read(struct dsc_graph *g)
{
    const int h = product(g);

    two(g, "Add", one(g, "Relu", h), h);
}

static void act_of_an_act(struct dsc_graph *g)
{
    one(g, "Relu", one(g, "Tanh", product(g)));
}

static void gelu_by_tanh(struct dsc_graph *g)
{
    struct dsc_node *n;
    int h = product(g);

    h = node(g, "Gelu", 1, &h, &n);
    OK(dsc_node_set_string(g, n, "approximate", "tanh", &err));
}

static void gelu_by_erf(struct dsc_graph *g)
{
    one(g, "Gelu", product(g));
}

static int any_gemm(struct dsc_graph *g, int x, int bias, struct dsc_node **n)
{
    return node(g, "Gemm", 3, (int[]){x, weight(g, "w", 2, DIM(6, 4)), bias}, n);
}

static void gemm_of_half(struct dsc_graph *g)
{
    struct dsc_node *n;

    any_gemm(g, x_of(g, "x", 2, DIM(5, 6)), weight(g, "b", 1, DIM(4)), &n);
    OK(dsc_node_set_float(g, n, "alpha", 0.5f, &err));
}

static void gemm_of_two_biases(struct dsc_graph *g)
{
    struct dsc_node *n;

    any_gemm(g, x_of(g, "x", 2, DIM(5, 6)), weight(g, "b", 1, DIM(4)), &n);
    OK(dsc_node_set_float(g, n, "beta", 2, &err));
}

static void gemm_of_turned_rows(struct dsc_graph *g)
{
    struct dsc_node *n;

    any_gemm(g, x_of(g, "x", 2, DIM(6, 6)), weight(g, "b", 1, DIM(4)), &n);
    OK(dsc_node_set_int(g, n, "transA", 1, &err));
}

static void gemm_of_one_bias(struct dsc_graph *g)
{
    any_gemm(g, x_of(g, "x", 2, DIM(5, 6)), weight(g, "b", 1, DIM(1)), NULL);
}

static void gemm_of_a_bias_by_row(struct dsc_graph *g)
{
    any_gemm(g, x_of(g, "x", 2, DIM(5, 6)), weight(g, "b", 2, DIM(5, 1)), NULL);
}

static void bias_of_a_product_that_is_read(struct dsc_graph *g)
{
    const int h = product(g);

    two(g, "Mul", two(g, "Add", h, weight(g, "b", 1, DIM(4))), h);
}

static void bias_after_bias(struct dsc_graph *g)
{
    two(g, "Add", weight(g, "c", 1, DIM(4)), two(g, "Add", product(g), weight(g, "b", 1, DIM(4))));
}

static void bias_by_row(struct dsc_graph *g)
{
    two(g, "Add", product(g), weight(g, "b", 2, DIM(5, 1)));
}

static void bias_that_stretches(struct dsc_graph *g)
{
    two(g, "Add", product(g), weight(g, "b", 3, DIM(2, 1, 4)));
}

/* Longer than what a tile takes at once (768), and many tiles of rows and columns. */
static void deep_product(struct dsc_graph *g)
{
    const int h =
        two(g, "MatMul", x_of(g, "x", 2, DIM(70, 1700)), weight(g, "w", 2, DIM(1700, 200)));

    one(g, "Relu", two(g, "Add", h, weight(g, "b", 1, DIM(200))));
}

static void deep_product_to_codes(struct dsc_graph *g)
{
    const int h = gemm(g, "deep", 3,
                       (int[]){x_of(g, "x", 2, DIM(70, 1537)), weight(g, "w", 2, DIM(200, 1537)),
                               weight(g, "b", 1, DIM(200))},
                       true);

    quantized(g, h, DSC_U8, 1);
}

static void dropout_whose_mask_is_read(struct dsc_graph *g)
{
    const int x = x_of(g, "x", 2, DIM(5, 6));
    int out[2];

    OK(dsc_graph_value(g, NULL, NULL, &out[0], &err));
    OK(dsc_graph_value(g, NULL, NULL, &out[1], &err));
    OK(dsc_graph_node(g, dsc_op_find("", "Dropout"), "drop", 1, &x, 2, out, NULL, &err));
    two(g, "Add", out[0], with_int(g, "Cast", 1, &out[1], "to", 1));
}

/* ---- attention ---- */

enum { AT_Q, AT_K, AT_V, AT_SCORES, N_PLACES };

struct heads {
    int64_t q[4], k[4], v[4], mask[4];
    float factor[N_PLACES]; /* 0: none */
    bool is_div, is_k_turned_twice, is_mask_first, is_score_read;
    int64_t axis, merge[4];
    int n_masks;
};

static const struct heads usual = {.q = {2, 4, 2, 3},
                                   .k = {2, 5, 2, 3},
                                   .v = {2, 5, 2, 6},
                                   .mask = {2, 1, 1, 5},
                                   .axis = -1,
                                   .merge = {0, 2, 1, 3},
                                   .n_masks = 1};

static int turned(struct dsc_graph *g, int x, const int64_t *perm)
{
    struct dsc_node *n;

    x = node(g, "Transpose", 1, &x, &n);
    OK(dsc_node_set_ints(g, n, "perm", perm, 4, &err));
    return x;
}

static int factored(struct dsc_graph *g, const struct heads *h, int place, int x)
{
    static const char *const names[] = {"factor_q", "factor_k", "factor_v", "factor"};

    if (h->factor[place] == 0)
        return x;
    return two(g, h->is_div ? "Div" : "Mul", x, number(g, names[place], (double)h->factor[place]));
}

static int keys(struct dsc_graph *g, const struct heads *h)
{
    int k = x_of(g, "k", 4, h->k);

    if (!h->is_k_turned_twice)
        return turned(g, k, DIM(0, 2, 3, 1));
    k = turned(g, k, DIM(0, 2, 1, 3));
    return turned(g, k, DIM(0, 1, 3, 2));
}

static void attention(struct dsc_graph *g, const struct heads *h)
{
    const int q = factored(g, h, AT_Q, turned(g, x_of(g, "q", 4, h->q), DIM(0, 2, 1, 3)));
    const int k = factored(g, h, AT_K, keys(g, h));
    const int v = factored(g, h, AT_V, turned(g, x_of(g, "v", 4, h->v), DIM(0, 2, 1, 3)));
    int scores = factored(g, h, AT_SCORES, two(g, "MatMul", q, k)), y;

    for (int i = 0; i < h->n_masks; i++) {
        static const char *const names[] = {"mask", "mask2", "mask3"};
        const int mask = weight(g, names[i], 4, h->mask);

        scores = h->is_mask_first ? two(g, "Add", mask, scores) : two(g, "Add", scores, mask);
    }
    y = with_int(g, "Softmax", 1, &scores, "axis", h->axis);
    y = turned(g, two(g, "MatMul", y, v), h->merge);
    if (h->is_score_read)
        two(g, "Add", y, with_int(g, "ReduceMax", 1, &scores, "keepdims", 0));
}

#define HEADS(name, ...)                  \
    static void name(struct dsc_graph *g) \
    {                                     \
        struct heads h = usual;           \
        __VA_ARGS__;                      \
        attention(g, &h);                 \
    }

static void set_dims(int64_t *to, const int64_t *from)
{
    memcpy(to, from, 4 * sizeof *to);
}

HEADS(usual_heads, (void)h)
HEADS(divided_scores, h.is_div = true; h.factor[AT_SCORES] = 2)
HEADS(factors_everywhere, h.factor[AT_Q] = 0.5f; h.factor[AT_K] = 3; h.factor[AT_SCORES] = 0.25f)
HEADS(factor_at_values, h.factor[AT_V] = 3)
HEADS(keys_turned_twice, h.is_k_turned_twice = true)
HEADS(softmax_over_queries, h.axis = 2)
HEADS(softmax_over_axis_3, h.axis = 3)
HEADS(three_masks, h.n_masks = 3)
HEADS(no_mask, h.n_masks = 0)
HEADS(other_order_of_outputs, set_dims(h.merge, DIM(2, 0, 1, 3)))
HEADS(one_key_for_all_rows, set_dims(h.k, DIM(1, 5, 2, 3)); set_dims(h.v, DIM(1, 5, 2, 6)))
HEADS(one_head_of_values, set_dims(h.v, DIM(2, 5, 1, 6)))
HEADS(mask_that_stretches_queries, set_dims(h.q, DIM(2, 1, 2, 3));
      set_dims(h.mask, DIM(2, 1, 4, 5)))
HEADS(mask_first, h.is_mask_first = true)
HEADS(first_mask_that_stretches, set_dims(h.q, DIM(2, 1, 2, 3)); set_dims(h.mask, DIM(2, 1, 4, 5));
      h.is_mask_first = true)
HEADS(mask_that_stretches_rows, set_dims(h.q, DIM(1, 4, 2, 3)); set_dims(h.k, DIM(1, 5, 2, 3)))
HEADS(scores_that_are_read, set_dims(h.q, DIM(1, 1, 1, 3)); set_dims(h.k, DIM(1, 5, 1, 3));
      set_dims(h.v, DIM(1, 5, 1, 6)); set_dims(h.mask, DIM(1, 1, 1, 5)); h.is_score_read = true)

static const struct fuse_case cases[] = {
    {"norm, layer", norm_behind_a_layer, {{"BatchNormalization", 0}, {"PackedGemm", 1}}},
    {"norm, no bias", norm_behind_a_layer_without_bias, {{"BatchNormalization", 0}}},
    {"norm, product", norm_behind_a_product, {{"BatchNormalization", 0}, {"PackedGemm", 1}}},
    {"norm, convolution", norm_behind_a_convolution, {{"BatchNormalization", 0}, {"Conv", 1}}},
    {"norm, transposed", norm_behind_a_transposed_convolution, {{"BatchNormalization", 0}}},
    {"norm, sequences", norm_of_sequences, {{"BatchNormalization", 1}}},
    {"norm, read layer", norm_behind_a_layer_that_is_read, {{"BatchNormalization", 1}}},
    {"norm of the batch", norm_of_the_batch, {{"BatchNormalization", 1}}},
    {"norm, alpha", norm_behind_half_a_layer, {{"BatchNormalization", 1}}},
    {"norm first", norm_first, {{"BatchNormalization", 1}}},
    {"norm, weight of two", norm_of_a_weight_of_two, {{"BatchNormalization", 1}}},
    {"epsilon", norm_of_other_epsilon, {{"AddNorm", 1}}},
    {"two axes", norm_of_two_axes, {{"AddNorm", 0}, {"LayerNormalization", 1}}},
    {"mean", norm_whose_mean_is_read, {{"AddNorm", 0}, {"LayerNormalization", 1}}},
    {"read sum", norm_whose_sum_is_read, {{"AddNorm", 0}, {"Add", 1}}},
    {"stretched sum", norm_of_a_stretched_sum, {{"AddNorm", 1}, {"Add", 0}}},
    {"one scale", factors_before_one_scale, {{"ScaleQuantize", 1}, {"Mul", 0}}},
    {"many scales", factors_before_many_scales, {{"ScaleQuantize", 0}, {"QuantizeLinear", 1}}},
    {"wide codes", factors_before_wide_codes, {{"ScaleQuantize", 1}, {"QuantizeLinear", 0}}},
    {"one factor", one_factor_before_codes, {{"ScaleQuantize", 0}, {"Mul", 1}}},
    {"factors of rows", factors_of_rows_before_codes, {{"ScaleQuantize", 0}, {"Mul", 1}}},
    {"read product", act_of_a_product_that_is_read, {{"PackedGemm", 1}, {"Relu", 1}}},
    {"act of an act", act_of_an_act, {{"PackedGemm", 1}, {"Relu", 1}, {"Tanh", 0}}},
    {"Gelu by tanh", gelu_by_tanh, {{"PackedGemm", 1}, {"Gelu", 0}}},
    {"Gelu by erf", gelu_by_erf, {{"PackedGemm", 1}, {"Gelu", 0}}},
    {"alpha", gemm_of_half, {{"Gemm", 1}}},
    {"beta", gemm_of_two_biases, {{"Gemm", 1}}},
    {"transA", gemm_of_turned_rows, {{"Gemm", 1}}},
    {"one bias", gemm_of_one_bias, {{"Gemm", 1}}},
    {"bias of rows", gemm_of_a_bias_by_row, {{"Gemm", 1}}},
    {"product before its bias is read", bias_of_a_product_that_is_read, {{"Add", 1}}},
    {"bias after bias", bias_after_bias, {{"PackedGemm", 1}, {"Add", 1}}},
    {"bias by row", bias_by_row, {{"PackedGemm", 1}, {"Add", 1}}},
    {"bias that stretches", bias_that_stretches, {{"PackedGemm", 1}, {"Add", 1}}},
    {"deep", deep_product, {{"PackedGemm", 1}, {"Relu", 0}}},
    {"deep, to codes", deep_product_to_codes, {{"PackedGemm", 1}, {"QuantizeLinear", 0}}},
    {"mask of Dropout", dropout_whose_mask_is_read, {{"Dropout", 1}}},
    {"usual", usual_heads, {{"Attention", 1}}},
    {"Div", divided_scores, {{"Attention", 1}, {"Div", 0}}},
    {"factors", factors_everywhere, {{"Attention", 1}, {"Mul", 0}}},
    {"factor at values", factor_at_values, {{"Attention", 0}}},
    {"two Transposes", keys_turned_twice, {{"Attention", 1}, {"Transpose", 0}}},
    {"Softmax over queries", softmax_over_queries, {{"Attention", 0}}},
    {"Softmax over axis 3", softmax_over_axis_3, {{"Attention", 1}}},
    {"three masks", three_masks, {{"Attention", 0}}},
    {"no mask", no_mask, {{"Attention", 1}}},
    {"other order", other_order_of_outputs, {{"Attention", 0}}},
    {"one key for all rows", one_key_for_all_rows, {{"Attention", 0}}},
    {"one head of values", one_head_of_values, {{"Attention", 0}}},
    {"mask stretches queries", mask_that_stretches_queries, {{"Attention", 0}}},
    {"mask first", mask_first, {{"Attention", 1}}},
    {"first mask stretches", first_mask_that_stretches, {{"Attention", 0}}},
    {"mask stretches rows", mask_that_stretches_rows, {{"Attention", 0}}},
    {"read scores", scores_that_are_read, {{"Attention", 0}}},
};

enum { N_CASES = sizeof cases / sizeof cases[0] };

static void make_feeds(const struct dsc_graph *g, struct dsc_tensor *feeds)
{
    ck_assert_int_le(g->n_inputs, MAX_FEEDS);
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];

        OK(dsc_tensor_new(&feeds[i], DSC_F32, v->type.rank, v->type.dim, &err));
        fill_normal(&feeds[i], v->name);
    }
}

/* Codes that a rounding in the product moved by a step are equal; nothing else is that far off. */
START_TEST(a_plan_computes_what_the_graph_does)
{
    const struct fuse_case *c = &cases[_i];
    struct dsc_graph *g = dsc_graph_new(NULL), *plan;
    struct dsc_tensor feeds[MAX_FEEDS] = {0}, want, got;

    c->build(g);
    finish_building(g);
    make_feeds(g, feeds);
    plan = copy(g);
    OK(dsc_pass_inference(plan, NULL, &err));
    for (int i = 0; i < MAX_OPS && c->ops[i].op; i++)
        ck_assert_msg(count(plan, c->ops[i].op) == c->ops[i].n, "%s: %d times %s, not %d", c->what,
                      count(plan, c->ops[i].op), c->ops[i].op, c->ops[i].n);
    run(g, feeds, &want);
    run(plan, feeds, &got);
    near(c->what, &got, &want, 2e-6, count(g, "QuantizeLinear") ? 0.0626 : 0);
    dsc_tensor_clear(&got);
    OK(dsc_pass_inference(plan, NULL, &err)); /* what was made is no pattern itself */
    run(plan, feeds, &got);
    near("twice", &got, &want, 2e-6, count(g, "QuantizeLinear") ? 0.0626 : 0);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    for (int i = 0; i < MAX_FEEDS; i++)
        dsc_tensor_clear(&feeds[i]);
    dsc_graph_free(g);
    dsc_graph_free(plan);
}
END_TEST

/* Two sizes that are not known need not be equal. */
START_TEST(attention_of_sizes_unknown_before_the_run_stays_as_it_is)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct heads h = usual;

    h.n_masks = 0;
    h.q[0] = h.k[0] = h.v[0] = DSC_DIM_UNKNOWN;
    attention(g, &h);
    finish_building(g);
    OK(dsc_pass_inference(g, NULL, &err));
    ck_assert_int_eq(count(g, "Attention"), 0);
    dsc_graph_free(g);
}
END_TEST

static enum dsc_status verify(const char *op, int n_in, const struct dsc_type *types,
                              const char *const *attrs, const int64_t *v)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_err err = {0};
    struct dsc_node *n;
    enum dsc_status st;
    int in[8], out;

    for (int i = 0; i < n_in; i++) {
        OK(dsc_graph_value(g, NULL, &types[i], &in[i], &err));
        OK(dsc_graph_input(g, in[i], &err));
    }
    OK(dsc_graph_call(g, "dsc", op, NULL, n_in, in, &out, &n, &err));
    for (int i = 0; attrs && attrs[i]; i++)
        OK(dsc_node_set_int(g, n, attrs[i], v[i], &err));
    OK(dsc_graph_output(g, out, &err));
    st = dsc_graph_verify(g, &err);
    dsc_graph_free(g);
    return st;
}

#define T(...)                                                     \
    {                                                              \
        DSC_F32, sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t), \
        {                                                          \
            __VA_ARGS__                                            \
        }                                                          \
    }

/* Kernels trust these sizes. */
START_TEST(operators_of_the_plan_check_what_kernels_trust)
{
    const struct dsc_type heads[] = {T(2, 4, 2, 3), T(2, 5, 2, 3), T(2, 5, 2, 6), T(2, 1, 4, 5)};
    const struct dsc_type gemm_types[] = {T(3, 5), T(160), T(20)};
    const struct dsc_type code_types[] = {
        T(3, 5), {DSC_U32, 1, {64}}, T(64), {DSC_U8, 1, {64}}, T(20)};
    static const char *const names[] = {"k", "n", NULL};
    static const char *const code_names[] = {"k", "n", "bits", "group", NULL};
    const int64_t sizes[] = {5, 20, 4, 3};
    struct dsc_type t[5];

    OK(verify("Attention", 4, heads, NULL, NULL));
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++) {
            memcpy(t, heads, sizeof heads);
            t[i].dim[k] += 2;
            ck_assert_msg((verify("Attention", 4, t, NULL, NULL) == DSC_OK) == ((i == 2 && k == 3)),
                          "Attention, input %d, axis %d", i, k);
        }
    OK(verify("PackedGemm", 3, gemm_types, names, sizes));
    for (int i = 0; i < 3; i++) {
        memcpy(t, gemm_types, sizeof gemm_types);
        t[i].dim[i == 0]--;
        ck_assert_int_eq(verify("PackedGemm", 3, t, names, sizes), DSC_E_SHAPE);
    }
    OK(verify("CodeGemm", 5, code_types, code_names, sizes));
    for (int i = 0; i < 5; i++) {
        memcpy(t, code_types, sizeof code_types);
        t[i].dim[i == 0]--;
        ck_assert_int_eq(verify("CodeGemm", 5, t, code_names, sizes), DSC_E_SHAPE);
    }
    for (int i = 0; i < 4; i++) {
        int64_t bad[4];

        memcpy(bad, sizes, sizeof bad);
        bad[i] = 0;
        ck_assert_int_eq(verify("CodeGemm", 5, code_types, code_names, bad), DSC_E_RANGE);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fuse");
    TCase *t = tcase_create("fuse");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, a_plan_computes_what_the_graph_does, 0, N_CASES);
    tcase_add_test(t, attention_of_sizes_unknown_before_the_run_stays_as_it_is);
    tcase_add_test(t, operators_of_the_plan_check_what_kernels_trust);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
