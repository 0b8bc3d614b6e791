/*
 * Weights in blocks of codes: MatMulNBits and DequantizeLinear against the formula in double, and
 * the plan that multiplies by packed codes.
 */
#include "quant_graphs.h"

struct shape {
    int64_t m, k, n, bits, block;
    bool has_zeros, has_bias;
};

static const struct shape shapes[] = {
    {2, 20, 3, 4, 16, false, false}, {3, 20, 5, 4, 16, true, true},
    {1, 48, 7, 4, 16, true, false},  {4, 33, 2, 8, 16, true, true},
    {5, 130, 3, 8, 64, false, true}, {70, 100, 40, 4, 32, true, true},
    {2, 5, 3, 4, 128, true, false},  {1, 256, 1, 8, 256, false, false},
};

static uint32_t pick(struct dsc_rng *r, int64_t n)
{
    return (uint32_t)dsc_rng_below(r, (uint64_t)n);
}

static int bytes(struct dsc_graph *g, const char *name, int rank, const int64_t *dim,
                 struct dsc_rng *r)
{
    struct dsc_tensor t;
    int id;

    OK(dsc_tensor_new(&t, DSC_U8, rank, dim, &err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_i64(&t, i, pick(r, 256));
    OK(dsc_graph_init(g, name, &t, &id, &err));
    dsc_tensor_clear(&t);
    return id;
}

/* Code i of row r, rows from a byte on, the low half first. */
static int code_at(const struct dsc_tensor *t, int64_t row_bytes, int64_t bits, int64_t r,
                   int64_t i)
{
    const uint8_t *b = (const uint8_t *)t->data + r * row_bytes;

    return bits == 8 ? b[i] : b[i / 2] >> (i % 2 * 4) & 15;
}

/* W [N,K], freed by the caller. A look-up by name writes to a pipe of Check's: once for all. */
static double *weights_of(struct dsc_graph *g, const struct shape *s)
{
    const int64_t n_blocks = (s->k + s->block - 1) / s->block;
    const int64_t row = n_blocks * s->block * s->bits / 8, zero_row = (n_blocks * s->bits + 7) / 8;
    const struct dsc_tensor *code = init_of(g, "codes"), *scale = init_of(g, "scales");
    const struct dsc_tensor *zeros = s->has_zeros ? init_of(g, "zeros") : NULL;
    double *w = calloc((size_t)(s->n * s->k), sizeof *w);

    ck_assert_ptr_nonnull(w);
    for (int64_t i = 0; i < s->n * s->k; i++) {
        const int64_t n = i / s->k, k = i % s->k, block = k / s->block;
        const int zero = zeros ? code_at(zeros, zero_row, s->bits, n, block) : 1 << (s->bits - 1);

        w[i] = (code_at(code, row, s->bits, n, k) - zero) *
               dsc_tensor_get_f64(scale, n * n_blocks + block);
    }
    return w;
}

static struct dsc_graph *nbits(const struct shape *s, uint64_t seed)
{
    const int64_t n_blocks = (s->k + s->block - 1) / s->block;
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_rng r;
    struct dsc_node *n;
    int in[6] = {0}, out;

    dsc_rng_init(&r, dsc_rng_key(seed));
    in[0] = input(g, "x", DSC_F32, 2, (int64_t[]){s->m, s->k});
    in[1] = bytes(g, "codes", 3, (int64_t[]){s->n, n_blocks, s->block * s->bits / 8}, &r);
    in[2] = weight(g, "scales", 2, (int64_t[]){s->n, n_blocks});
    in[3] = in[4] = in[5] = DSC_NO_VALUE;
    if (s->has_zeros)
        in[3] = bytes(g, "zeros", 2, (int64_t[]){s->n, (n_blocks * s->bits + 7) / 8}, &r);
    if (s->has_bias)
        in[5] = weight(g, "bias", 1, (int64_t[]){s->n});
    OK(dsc_graph_call(g, "com.microsoft", "MatMulNBits", "node", s->has_bias ? 6 : 4, in, &out, &n,
                      &err));
    OK(dsc_node_set_int(g, n, "K", s->k, &err));
    OK(dsc_node_set_int(g, n, "N", s->n, &err));
    OK(dsc_node_set_int(g, n, "bits", s->bits, &err));
    OK(dsc_node_set_int(g, n, "block_size", s->block, &err));
    finish_building(g);
    return g;
}

static void is_of_the_formula(struct dsc_graph *g, const struct shape *s,
                              const struct dsc_tensor *x, const struct dsc_tensor *y)
{
    const struct dsc_tensor *bias = s->has_bias ? init_of(g, "bias") : NULL;
    double *w = weights_of(g, s);

    for (int64_t m = 0; m < s->m; m++)
        for (int64_t n = 0; n < s->n; n++) {
            double sum = bias ? dsc_tensor_get_f64(bias, n) : 0, most = 1;

            for (int64_t k = 0; k < s->k; k++) {
                const double v = dsc_tensor_get_f64(x, m * s->k + k) * w[n * s->k + k];

                sum += v;
                most += fabs(v);
            }
            ck_assert_msg(fabs(dsc_tensor_get_f64(y, m * s->n + n) - sum) <= 1e-6 * most,
                          "[%d,%d]: %.9g, not %.9g", (int)m, (int)n,
                          dsc_tensor_get_f64(y, m * s->n + n), sum);
        }
    free(w);
}

START_TEST(a_product_of_blocks_is_that_of_the_formula)
{
    const struct shape *s = &shapes[_i];
    struct dsc_graph *g = nbits(s, (uint64_t)_i), *plan = copy(g);
    struct dsc_tensor x, y;

    OK(dsc_pass_inference(plan, NULL, &err));
    ck_assert_int_eq(count(plan, "CodeGemm"), 1);
    ck_assert_int_eq(plan->n_nodes, 1);
    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){s->m, s->k}, &err));
    fill_normal(&x, "x");
    for (int i = 0; i < 2; i++) {
        run(i ? plan : g, &x, &y);
        is_of_the_formula(g, s, &x, &y);
        dsc_tensor_clear(&y);
    }
    dsc_tensor_clear(&x);
    dsc_graph_free(g);
    dsc_graph_free(plan);
}
END_TEST

/* Sizes that the node's attributes do not give: the kernel would read behind the end. */
START_TEST(sizes_that_do_not_fit_are_refused)
{
    static const char *const names[] = {"codes", "scales", "zeros", "bias"};
    const struct shape s = {2, 48, 4, 4, 16, true, true};

    for (int i = 0; i < 4; i++) {
        struct dsc_graph *g = nbits(&s, 1);
        struct dsc_tensor less;
        struct dsc_err err = {0};

        OK(dsc_tensor_new(&less, init_of(g, names[i])->dtype, 1,
                          (int64_t[]){dsc_tensor_n_elems(init_of(g, names[i])) - 1}, &err));
        OK(dsc_graph_set_init(g, dsc_graph_find_value(g, names[i]), &less, &err));
        ck_assert_int_eq(dsc_graph_verify(g, &err), DSC_E_SHAPE);
        dsc_tensor_clear(&less);
        dsc_graph_free(g);
    }
}
END_TEST

/* ---- DequantizeLinear with block_size ---- */

struct blocked {
    enum dsc_dtype dtype;
    int rank;
    int64_t dim[3], axis, block;
    bool has_zeros;
};

static const struct blocked blocks[] = {
    {DSC_U4, 2, {5, 12}, 1, 4, true},    {DSC_U4, 2, {5, 13}, -1, 4, true},
    {DSC_I4, 2, {12, 5}, 0, 4, false},   {DSC_I4, 2, {13, 70}, 0, 5, true},
    {DSC_I8, 3, {2, 6, 7}, 1, 3, true},  {DSC_U8, 3, {3, 7, 4}, -2, 2, true},
    {DSC_I8, 2, {3, 200}, 1, 64, false}, {DSC_U8, 2, {40, 300}, 1, 16, true},
    {DSC_U4, 3, {2, 3, 6}, 2, 2, true},  {DSC_I4, 1, {7}, 0, 3, true},
    {DSC_U16, 2, {4, 6}, 1, 3, true},    {DSC_I32, 2, {6, 4}, 0, 3, false},
};

static int codes_of(struct dsc_graph *g, const char *name, enum dsc_dtype dtype, int rank,
                    const int64_t *dim, struct dsc_rng *r)
{
    const bool is_4_bit = dtype == DSC_U4 || dtype == DSC_I4;
    const bool is_signed = dtype == DSC_I4 || dtype == DSC_I8 || dtype == DSC_I32;
    struct dsc_tensor t;
    int id;

    OK(dsc_tensor_new(&t, dtype, rank, dim, &err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_i64(
            &t, i, (int64_t)pick(r, is_4_bit ? 16 : 256) - (is_signed ? (is_4_bit ? 8 : 128) : 0));
    OK(dsc_graph_init(g, name, &t, &id, &err));
    dsc_tensor_clear(&t);
    return id;
}

START_TEST(blocks_are_dequantized_by_the_formula)
{
    const struct blocked *b = &blocks[_i];
    const int axis = (int)(b->axis < 0 ? b->axis + b->rank : b->axis);
    int64_t dim[3], outer = 1, inner = 1, n_blocks;
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_tensor one, y;
    struct dsc_node *n;
    struct dsc_rng r;
    int in[3], out;

    dsc_rng_init(&r, dsc_rng_key((uint64_t)_i));
    memcpy(dim, b->dim, sizeof dim);
    n_blocks = dim[axis] = (b->dim[axis] + b->block - 1) / b->block;
    for (int i = 0; i < axis; i++)
        outer *= dim[i];
    for (int i = axis + 1; i < b->rank; i++)
        inner *= dim[i];
    in[0] = codes_of(g, "codes", b->dtype, b->rank, b->dim, &r);
    in[1] = weight(g, "scales", b->rank, dim);
    in[2] = b->has_zeros ? codes_of(g, "zeros", b->dtype, b->rank, dim, &r) : DSC_NO_VALUE;
    OK(dsc_graph_call(g, "", "DequantizeLinear", "node", b->has_zeros ? 3 : 2, in, &out, &n, &err));
    OK(dsc_node_set_int(g, n, "axis", b->axis, &err));
    OK(dsc_node_set_int(g, n, "block_size", b->block, &err));
    call(g, "Mul", "times", 2, (int[]){out, input(g, "one", DSC_F32, 0, NULL)});
    finish_building(g);
    OK(dsc_tensor_new(&one, DSC_F32, 0, NULL, &err));
    dsc_tensor_set_f64(&one, 0, 1);
    run(g, &one, &y);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < b->dim[axis]; k++)
            for (int64_t i = 0; i < inner; i++) {
                const int64_t at = (o * b->dim[axis] + k) * inner + i;
                const int64_t which = (o * n_blocks + k / b->block) * inner + i;
                const double zero =
                    b->has_zeros ? (double)dsc_tensor_get_i64(init_of(g, "zeros"), which) : 0;
                const double want = ((double)dsc_tensor_get_i64(init_of(g, "codes"), at) - zero) *
                                    dsc_tensor_get_f64(init_of(g, "scales"), which);

                ck_assert_msg(fabs(dsc_tensor_get_f64(&y, at) - want) <= 1e-6 * fabs(want),
                              "[%d,%d,%d]: %.9g, not %.9g", (int)o, (int)k, (int)i,
                              dsc_tensor_get_f64(&y, at), want);
            }
    dsc_tensor_clear(&one);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
}
END_TEST

/* ---- products of packed codes ---- */

/* block: 0 for a scale per column, -1 for one in all. */
struct coded {
    enum dsc_dtype dtype;
    int64_t m, k, n, block;
    bool is_trans, has_zeros, has_bias;
};

static const struct coded coded[] = {
    {DSC_U4, 3, 64, 33, 32, true, true, true},     {DSC_I4, 1, 40, 16, 32, false, false, true},
    {DSC_U4, 66, 300, 50, 64, true, true, false},  {DSC_I8, 9, 130, 200, 128, false, true, true},
    {DSC_U8, 7, 70, 17, 32, true, true, false},    {DSC_I4, 5, 29, 20, 5, true, true, true},
    {DSC_I8, 4, 200, 60, 0, true, false, true},    {DSC_U4, 2, 261, 48, 0, false, true, true},
    {DSC_U8, 65, 3, 193, -1, false, false, false}, {DSC_I8, 2, 1, 1, 3, false, false, false},
    {DSC_U8, 8, 257, 64, 128, true, false, true},  {DSC_U4, 1, 140, 30, 7, false, true, false},
};

/* Codes behind DequantizeLinear, or what they stand for; the same codes for the same c. */
static int coded_weight(struct dsc_graph *g, const struct coded *c, bool is_constant)
{
    const int64_t block = c->block > 0 ? c->block : c->k, n_blocks = (c->k + block - 1) / block;
    const int64_t dim[2] = {c->is_trans ? c->n : c->k, c->is_trans ? c->k : c->n};
    const int64_t groups[2] = {c->is_trans ? c->n : n_blocks, c->is_trans ? n_blocks : c->n};
    const int64_t n_scales = c->block < 0 ? 1 : c->n;
    const int rank = c->block > 0 ? 2 : 1;
    const struct dsc_tensor *code, *scale, *zeros;
    struct dsc_node *dq;
    struct dsc_tensor w;
    struct dsc_rng r;
    int in[3] = {0}, out;

    dsc_rng_init(&r, dsc_rng_key(5));
    in[0] = codes_of(g, "codes", c->dtype, 2, dim, &r);
    in[1] = weight(g, "scales", rank, c->block > 0 ? groups : &n_scales);
    in[2] = c->has_zeros
                ? codes_of(g, "zeros", c->dtype, rank, c->block > 0 ? groups : &n_scales, &r)
                : DSC_NO_VALUE;
    if (!is_constant) {
        OK(dsc_graph_call(g, "", "DequantizeLinear", "dq", c->has_zeros ? 3 : 2, in, &out, &dq,
                          &err));
        OK(dsc_node_set_int(g, dq, "axis", (c->block > 0) == c->is_trans, &err));
        if (c->block > 0)
            OK(dsc_node_set_int(g, dq, "block_size", c->block, &err));
        return out;
    }
    OK(dsc_tensor_new(&w, DSC_F32, 2, dim, &err));
    code = init_of(g, "codes");
    scale = init_of(g, "scales");
    zeros = c->has_zeros ? init_of(g, "zeros") : NULL;
    for (int64_t i = 0; i < c->k * c->n; i++) {
        const int64_t row = i / dim[1], col = i % dim[1];
        const int64_t at = c->block < 0    ? 0
                           : c->block == 0 ? (c->is_trans ? row : col)
                           : c->is_trans   ? row * n_blocks + col / block
                                           : row / block * c->n + col;
        const int64_t zero = zeros ? dsc_tensor_get_i64(zeros, at) : 0;

        ((float *)w.data)[i] =
            (float)(dsc_tensor_get_i64(code, i) - zero) * (float)dsc_tensor_get_f64(scale, at);
    }
    OK(dsc_graph_init(g, "w", &w, &out, &err));
    dsc_tensor_clear(&w);
    return out;
}

static struct dsc_graph *product_of(const struct coded *c, bool is_constant)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int x = input(g, "x", DSC_F32, 2, (int64_t[]){c->m, c->k});
    int w = coded_weight(g, c, is_constant);

    if (c->is_trans) {
        gemm(g, "node", c->has_bias ? 3 : 2,
             (int[]){x, w, c->has_bias ? weight(g, "bias", 1, &c->n) : DSC_NO_VALUE}, true);
    } else {
        x = call(g, "MatMul", "node", 2, (int[]){x, w});
        if (c->has_bias)
            call(g, "Add", "add", 2, (int[]){weight(g, "bias", 1, &c->n), x});
    }
    finish_building(g);
    OK(dsc_pass_inference(g, NULL, &err));
    ck_assert_int_eq(g->n_nodes, 1);
    ck_assert_int_eq(count(g, is_constant ? "PackedGemm" : "CodeGemm"), 1);
    return g;
}

START_TEST(packed_codes_have_the_bits_of_the_dequantized_weight)
{
    const struct coded *c = &coded[_i];
    struct dsc_graph *codes = product_of(c, false), *floats = product_of(c, true);
    struct dsc_tensor x, y, want;

    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){c->m, c->k}, &err));
    fill_normal(&x, "x");
    run(floats, &x, &want);
    for (int level = 0; level <= (int)dsc_cpu_level_best(); level++)
        for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
            run_at(codes, (enum dsc_cpu_level)level, n_threads, &x, &y);
            ck_assert(dsc_tensor_same_shape(&y, &want));
            ck_assert_mem_eq(y.data, want.data, dsc_tensor_n_bytes(&want));
            dsc_tensor_clear(&y);
        }
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&want);
    dsc_graph_free(codes);
    dsc_graph_free(floats);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nbits");
    TCase *t = tcase_create("nbits");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, a_product_of_blocks_is_that_of_the_formula, 0,
                        (int)(sizeof shapes / sizeof shapes[0]));
    tcase_add_test(t, sizes_that_do_not_fit_are_refused);
    tcase_add_loop_test(t, blocks_are_dequantized_by_the_formula, 0,
                        (int)(sizeof blocks / sizeof blocks[0]));
    tcase_add_loop_test(t, packed_codes_have_the_bits_of_the_dequantized_weight, 0,
                        (int)(sizeof coded / sizeof coded[0]));
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
