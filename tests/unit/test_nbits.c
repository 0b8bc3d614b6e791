/* Weights in blocks of codes: MatMulNBits and DequantizeLinear against the formula in double. */
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

static double weight_at(struct dsc_graph *g, const struct shape *s, int64_t n, int64_t k)
{
    const int64_t n_blocks = (s->k + s->block - 1) / s->block, block = k / s->block;
    const int64_t row = n_blocks * s->block * s->bits / 8, zero_row = (n_blocks * s->bits + 7) / 8;
    const int zero = s->has_zeros ? code_at(init_of(g, "zeros"), zero_row, s->bits, n, block)
                                  : 1 << (s->bits - 1);

    return (code_at(init_of(g, "codes"), row, s->bits, n, k) - zero) *
           dsc_tensor_get_f64(init_of(g, "scales"), n * n_blocks + block);
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

START_TEST(a_product_of_blocks_is_that_of_the_formula)
{
    const struct shape *s = &shapes[_i];
    struct dsc_graph *g = nbits(s, (uint64_t)_i);
    struct dsc_tensor x, y;

    OK(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){s->m, s->k}, &err));
    fill_normal(&x, "x");
    run(g, &x, &y);
    for (int64_t m = 0; m < s->m; m++)
        for (int64_t n = 0; n < s->n; n++) {
            double sum = s->has_bias ? dsc_tensor_get_f64(init_of(g, "bias"), n) : 0, most = 1;

            for (int64_t k = 0; k < s->k; k++) {
                const double v = dsc_tensor_get_f64(&x, m * s->k + k) * weight_at(g, s, n, k);

                sum += v;
                most += fabs(v);
            }
            ck_assert_msg(fabs(dsc_tensor_get_f64(&y, m * s->n + n) - sum) <= 1e-6 * most,
                          "[%d,%d]: %.9g, not %.9g", (int)m, (int)n,
                          dsc_tensor_get_f64(&y, m * s->n + n), sum);
        }
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_graph_free(g);
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
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
