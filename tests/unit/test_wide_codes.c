/* Products of activations of 16 bits and weights of 8 against sums in 64 bits. */
#include "quant_graphs.h"

struct wide_case {
    enum dsc_dtype dtype;
    int64_t m, k, n, zero;
    bool is_trans, is_per_tensor, has_bias;
};

static const struct wide_case wide_cases[] = {
    {DSC_U16, 3, 2500, 21, 32768, false, false, true},
    {DSC_U16, 70, 67, 200, 65535, true, false, false},
    {DSC_I16, 17, 1200, 5, 0, true, true, true},
    {DSC_I16, 2, 3000, 33, -32768, false, false, true},
    {DSC_U16, 1, 1, 1, 0, false, true, false},
};

/* One of a type's values, its limits often. */
static int64_t wide_code(struct dsc_rng *r, int64_t low, int64_t high)
{
    const uint64_t pick = dsc_rng_below(r, 4);

    return pick == 0  ? low
           : pick < 3 ? high
                      : low + (int64_t)dsc_rng_below(r, (uint64_t)(high - low + 1));
}

static int wide_init(struct dsc_graph *g, const char *name, enum dsc_dtype dtype, int rank,
                     const int64_t *dim, int64_t low, int64_t high, struct dsc_tensor *t)
{
    struct dsc_rng r;
    int id;

    dsc_rng_init(&r, dsc_rng_mix_text(dsc_rng_key(9), name));
    OK(dsc_tensor_new(t, dtype, rank, dim, &err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        dsc_tensor_set_i64(t, i, wide_code(&r, low, high));
    OK(dsc_graph_init(g, name, t, &id, &err));
    return id;
}

static int wide_scale(struct dsc_graph *g, const char *name, int64_t n, float first,
                      struct dsc_tensor *t)
{
    int id;

    OK(dsc_tensor_new(t, DSC_F32, n > 1, &n, &err));
    for (int64_t i = 0; i < n; i++)
        ((float *)t->data)[i] = first * (float)(i + 1);
    OK(dsc_graph_init(g, name, t, &id, &err));
    return id;
}

enum { WX, WZERO, WCODE, WSX, WSW, WBIAS, N_WIDE };

static struct dsc_graph *wide_graph(const struct wide_case *c, struct dsc_tensor t[N_WIDE])
{
    const bool is_signed = c->dtype == DSC_I16;
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_node *n;
    int in[3], wide[3], out;

    in[0] = input(g, "x", c->dtype, 2, (int64_t[]){c->m, c->k});
    wide[0] = wide_init(g, "codes", DSC_I8, 2,
                        c->is_trans ? (int64_t[]){c->n, c->k} : (int64_t[]){c->k, c->n}, -127, 127,
                        &t[WCODE]);
    in[1] = wide_scale(g, "sx", 1, 1.7e-4f, &t[WSX]);
    in[2] = wide_init(g, "zero", c->dtype, 0, NULL, c->zero, c->zero, &t[WZERO]);
    wide[1] = wide_scale(g, "sw", c->is_per_tensor ? 1 : c->n, 3e-3f, &t[WSW]);
    in[0] = call(g, "DequantizeLinear", "dx", 3, in);
    OK(dsc_graph_call(g, "", "DequantizeLinear", "dw", 2, wide, &in[1], &n, &err));
    OK(dsc_node_set_int(g, n, "axis", c->is_trans ? 0 : 1, &err));
    in[2] = c->has_bias ? wide_scale(g, "bias", c->n, -0.3f, &t[WBIAS]) : DSC_NO_VALUE;
    OK(dsc_graph_call(g, "", "Gemm", "product", c->has_bias ? 3 : 2, in, &out, &n, &err));
    OK(dsc_node_set_int(g, n, "transB", c->is_trans, &err));
    finish_building(g);
    OK(dsc_tensor_new(&t[WX], c->dtype, 2, (int64_t[]){c->m, c->k}, &err));
    for (int64_t i = 0; i < c->m * c->k; i++) {
        struct dsc_rng r;

        dsc_rng_init(&r, dsc_rng_key((uint64_t)i));
        dsc_tensor_set_i64(&t[WX], i,
                           is_signed ? wide_code(&r, -32768, 32767) : wide_code(&r, 0, 65535));
    }
    return g;
}

/* Sums in 64 bits, one rounding to f32, then single operations. */
static float wide_result(const struct wide_case *c, const struct dsc_tensor t[N_WIDE], int64_t m,
                         int64_t n)
{
    const float sw = ((const float *)t[WSW].data)[c->is_per_tensor ? 0 : n];
    int64_t sum = 0;
    float y;

    for (int64_t k = 0; k < c->k; k++)
        sum += (dsc_tensor_get_i64(&t[WX], m * c->k + k) - c->zero) *
               dsc_tensor_get_i64(&t[WCODE], c->is_trans ? n * c->k + k : k * c->n + n);
    y = (float)sum * (*(const float *)t[WSX].data * sw);
    return c->has_bias ? y + ((const float *)t[WBIAS].data)[n] : y;
}

START_TEST(products_of_16_bit_codes_are_exact)
{
    const struct wide_case *c = &wide_cases[_i];
    struct dsc_tensor t[N_WIDE] = {{0}}, y, want;
    struct dsc_graph *g = wide_graph(c, t);
    int n_int;

    OK(dsc_pass_inference(g, &n_int, &err));
    ck_assert_int_eq(n_int, 1);
    ck_assert_int_eq(g->n_nodes, 1);
    OK(dsc_tensor_new(&want, DSC_F32, 2, (int64_t[]){c->m, c->n}, &err));
    for (int64_t i = 0; i < c->m * c->n; i++)
        ((float *)want.data)[i] = wide_result(c, t, i / c->n, i % c->n);
    for (int level = 0; level <= (int)dsc_cpu_level_best(); level++)
        for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
            run_at(g, (enum dsc_cpu_level)level, n_threads, &t[WX], &y);
            ck_assert(dsc_tensor_same_shape(&y, &want));
            ck_assert_mem_eq(y.data, want.data, dsc_tensor_n_bytes(&want));
            dsc_tensor_clear(&y);
        }
    dsc_tensor_clear(&want);
    for (int i = 0; i < N_WIDE; i++)
        dsc_tensor_clear(&t[i]);
    dsc_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wide-codes");
    TCase *t = tcase_create("wide-codes");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, products_of_16_bit_codes_are_exact, 0,
                        sizeof wide_cases / sizeof wide_cases[0]);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
