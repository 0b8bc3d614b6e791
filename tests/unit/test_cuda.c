/*
 * The CUDA module's primitives against the cpu's in F64, and the same bytes in two runs. Skipped,
 * with the reason, where there is no module or no GPU.
 */
#include "device/prim.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_INPUTS = 3 };

static struct dsc_device *cpu, *cuda;

/* A tensor of numbers (i * 7919 % 10007 / 1000 - 5) * scale + shift. */
struct numbers {
    double scale, shift;
    int rank;
    int64_t dim[DSC_MAX_RANK];
};

/* What a job computes with: out, which holds numbers before, and inputs. */
struct tensors {
    struct dsc_tensor out, in[N_INPUTS];
};

struct job {
    const char *name;
    enum dsc_status (*compute)(struct dsc_device *d, const struct job *j, struct tensors *t,
                               struct dsc_err *err);
    struct numbers out, in[N_INPUTS];
    int n_in;
    int which; /* of maps.def, or whether the softmax is logarithmic */
    struct dsc_gemm_spec gemm;
    struct dsc_axis_view view;
    int rank; /* of a copy, its sizes and walks */
    int64_t dim[DSC_MAX_RANK];
    struct dsc_walk yw, xw;
};

static const struct dsc_map_param map_param = {0.5, 0.75};

static void make(struct dsc_device *d, struct dsc_tensor *t, enum dsc_dtype dtype,
                 const struct numbers *n)
{
    struct dsc_tensor host;

    ck_assert_int_eq(dsc_tensor_new(&host, dtype, n->rank, n->dim, NULL), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&host); i++) {
        const double v = ((double)(i * 7919 % 10007) / 1000 - 5) * n->scale + n->shift;

        /* the same number in every type */
        dsc_tensor_set_f64(&host, i, (double)dsc_bf16_to_float(dsc_float_to_bf16((float)v)));
    }
    ck_assert_int_eq(dsc_to_device(d, t, &host, NULL), DSC_OK);
    dsc_tensor_clear(&host);
}

/* The job on d; its result comes to the host. */
static void run(struct dsc_device *d, const struct job *j, enum dsc_dtype dtype,
                struct dsc_tensor *out)
{
    struct dsc_err err = {0};
    struct tensors t;

    make(d, &t.out, dtype, &j->out);
    for (int i = 0; i < j->n_in; i++)
        make(d, &t.in[i], dtype, &j->in[i]);
    ck_assert_msg(j->compute(d, j, &t, &err) == DSC_OK, "%s on %s: %s", j->name, d->name,
                  err.message);
    ck_assert_msg(dsc_to_host(out, &t.out, &err) == DSC_OK, "%s: %s", j->name, err.message);
    dsc_tensor_clear(&t.out);
    for (int i = 0; i < j->n_in; i++)
        dsc_tensor_clear(&t.in[i]);
}

static void check_type(const struct job *j, enum dsc_dtype dtype, double tolerance)
{
    struct dsc_tensor exact, first, again;

    run(cpu, j, DSC_F64, &exact);
    run(cuda, j, dtype, &first);
    run(cuda, j, dtype, &again);
    ck_assert_mem_eq(first.data, again.data, dsc_tensor_n_bytes(&first));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&exact); i++) {
        const double y = dsc_tensor_get_f64(&exact, i), x = dsc_tensor_get_f64(&first, i);

        ck_assert_msg(fabs(x - y) <= tolerance * (1 + fabs(y)),
                      "%s %s: element %lld: %.17g, not %.17g", j->name, dsc_dtype_text(dtype),
                      (long long)i, x, y);
    }
    dsc_tensor_clear(&exact);
    dsc_tensor_clear(&first);
    dsc_tensor_clear(&again);
}

static void check(const struct job *j)
{
    check_type(j, DSC_F64, 1e-13);
    check_type(j, DSC_F32, 2e-6);
}

/* Maps. */

static enum dsc_status do_map(struct dsc_device *d, const struct job *j, struct tensors *t,
                              struct dsc_err *err)
{
    return dsc_map(d, (enum dsc_map_fn)j->which, map_param, &t->out, &t->in[0], err);
}

static enum dsc_status do_map_bwd(struct dsc_device *d, const struct job *j, struct tensors *t,
                                  struct dsc_err *err)
{
    const enum dsc_map_fn fn = (enum dsc_map_fn)j->which;

    DSC_TRY(dsc_map(d, fn, map_param, &t->in[2], &t->in[0], err));
    return dsc_map_bwd(d, fn, map_param, &t->out, &t->in[1], &t->in[0], &t->in[2], err);
}

static const char *const map_names[] = {
#define DSC_MAP(name, ...) #name,
#include "device/maps.def"
#undef DSC_MAP
};

/* Where a function is defined and smooth enough to compare: around 1 for these, else -5..5. */
static void domain(int fn, struct numbers *x)
{
    const bool is_positive = fn == DSC_MAP_log || fn == DSC_MAP_sqrt || fn == DSC_MAP_reciprocal;

    x->scale = fn == DSC_MAP_acos ? 0.125 : is_positive ? 0.25 : 1;
    x->shift = is_positive ? 1.5 : 0;
}

START_TEST(maps_and_their_gradients)
{
    struct numbers n = {1, 0, 1, {40000}};
    struct job j = {.n_in = 3, .in = {n, n, n}, .out = n};

    for (j.which = 0; j.which < DSC_MAP_COUNT; j.which++) {
        j.name = map_names[j.which];
        domain(j.which, &j.in[0]);
        j.compute = do_map;
        check(&j);
        j.compute = do_map_bwd;
        check(&j);
    }
}
END_TEST

/* Softmax. */

static enum dsc_status do_softmax(struct dsc_device *d, const struct job *j, struct tensors *t,
                                  struct dsc_err *err)
{
    return dsc_softmax(d, j->which, j->view, &t->out, &t->in[0], err);
}

static enum dsc_status do_softmax_bwd(struct dsc_device *d, const struct job *j, struct tensors *t,
                                      struct dsc_err *err)
{
    DSC_TRY(dsc_softmax(d, j->which, j->view, &t->in[1], &t->in[0], err));
    return dsc_softmax_bwd(d, j->which, j->view, &t->out, &t->in[2], &t->in[1], err);
}

START_TEST(softmax_and_its_gradient)
{
    static const struct dsc_axis_view views[] = {{300, 7, 1}, {3, 1000, 1}, {5, 257, 6},
                                                 {1, 1, 1},   {0, 4, 1},    {2, 40000, 1}};

    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        for (int is_log = 0; is_log <= 1; is_log++) {
            const struct numbers n = {1, 0, 3, {views[i].outer, views[i].n, views[i].inner}};
            struct job j = {.name = "softmax",
                            .n_in = 3,
                            .in = {n, n, n},
                            .out = n,
                            .which = is_log,
                            .view = views[i]};

            j.compute = do_softmax;
            check(&j);
            /* sums of a row meet in another order: as large as the row is long */
            j.in[2].scale = 1.0 / (double)(views[i].n + 1);
            j.compute = do_softmax_bwd;
            check(&j);
        }
}
END_TEST

/* Products. */

static enum dsc_status do_gemm(struct dsc_device *d, const struct job *j, struct tensors *t,
                               struct dsc_err *err)
{
    return dsc_gemm(d, &j->gemm, &t->out, &t->in[0], &t->in[1], err);
}

static void check_gemm(struct dsc_gemm_spec s)
{
    struct job j = {
        .name = "gemm",
        .compute = do_gemm,
        .n_in = 2,
        .in = {{0.2, 0, 1, {s.n_batch * s.m * s.k}}, {0.2, 0.1, 1, {s.n_batch * s.k * s.n}}},
        .out = {1, 0, 1, {s.n_batch * s.m * s.n}}};

    for (int kind = 0; kind < 4; kind++) {
        s.is_trans_a = kind & 1;
        s.is_trans_b = kind >> 1;
        j.gemm = s;
        check_type(&j, DSC_F64, 1e-12);
        check_type(&j, DSC_F32, 1e-4);
        check_type(&j, DSC_F16, 2e-3);
        check_type(&j, DSC_BF16, 1e-2);
    }
}

START_TEST(products_of_every_type)
{
    static const int64_t swapped[] = {3 * 33 * 65, 0, 2 * 33 * 65, 33 * 65};
    const struct dsc_gemm_spec plain = {.alpha = 1, .n_batch = 1};
    struct dsc_gemm_spec s = plain;

    s.m = 1, s.n = 1, s.k = 1;
    check_gemm(s);
    s.m = 7, s.n = 5, s.k = 3; /* rows that no vector load can take */
    check_gemm(s);
    s.m = 128, s.n = 384, s.k = 384;
    check_gemm(s);
    s.m = 17, s.n = 40, s.k = 1000, s.alpha = 0.5, s.beta = -2;
    check_gemm(s);
    s = plain;
    s.m = 33, s.n = 20, s.k = 65, s.n_batch = 4;
    check_gemm(s);
    s.batch_a = swapped; /* not evenly apart: a call a matrix */
    check_gemm(s);
    s = plain;
    s.m = 4, s.n = 4, s.k = 0, s.beta = 0.5; /* an empty sum */
    check_gemm(s);
}
END_TEST

/* What moves. */

static enum dsc_status do_copy(struct dsc_device *d, const struct job *j, struct tensors *t,
                               struct dsc_err *err)
{
    return dsc_copy(d, j->rank, j->dim, &t->out, &j->yw, &t->in[0], &j->xw, err);
}

static enum dsc_status do_add_copy(struct dsc_device *d, const struct job *j, struct tensors *t,
                                   struct dsc_err *err)
{
    return dsc_add_copy(d, j->rank, j->dim, &t->out, &j->yw, &t->in[0], &j->xw, err);
}

static enum dsc_status do_axpy(struct dsc_device *d, const struct job *j, struct tensors *t,
                               struct dsc_err *err)
{
    (void)j;
    return dsc_axpy(d, -1.5, &t->out, &t->in[0], err);
}

START_TEST(copies_transpose_reverse_and_sum)
{
    struct job j = {.name = "transpose",
                    .compute = do_copy,
                    .n_in = 1,
                    .in = {{1, 0, 3, {20, 30, 40}}},
                    .out = {1, 0, 3, {40, 20, 30}},
                    .rank = 3,
                    .dim = {40, 20, 30},
                    .yw = {0, {600, 30, 1}},
                    .xw = {0, {1, 1200, 40}}};

    check_type(&j, DSC_F64, 0);
    check_type(&j, DSC_F32, 0);
    check_type(&j, DSC_BF16, 0);
    j.name = "reversed";
    j.xw = (struct dsc_walk){39, {-1, 1200, 40}};
    check_type(&j, DSC_F32, 0);
    j.name = "add_copy";
    j.compute = do_add_copy;
    check(&j);
    j.name = "summed over an axis";
    j.yw = (struct dsc_walk){0, {0, 30, 1}};
    check_type(&j, DSC_F64, 1e-13);
    check_type(&j, DSC_F32, 1e-5);
    j.name = "axpy";
    j.compute = do_axpy;
    j.in[0] = j.out;
    check(&j);
    check_type(&j, DSC_F16, 1e-3);
    check_type(&j, DSC_BF16, 8e-3);
}
END_TEST

START_TEST(fill_writes_every_size_of_element)
{
    static const enum dsc_dtype types[] = {DSC_U8, DSC_I16, DSC_F32, DSC_F64, DSC_BOOL};
    const int64_t n = 1001;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct dsc_tensor one, t, host;

        ck_assert_int_eq(dsc_tensor_new(&one, types[i], 0, NULL, NULL), DSC_OK);
        dsc_tensor_set_f64(&one, 0, 1);
        ck_assert_int_eq(dsc_device_zeros(cuda, &t, types[i], 1, &n, NULL), DSC_OK);
        ck_assert_int_eq(dsc_fill(cuda, &t, one.data, NULL), DSC_OK);
        ck_assert_int_eq(dsc_to_host(&host, &t, NULL), DSC_OK);
        for (int64_t k = 0; k < n; k++)
            ck_assert_double_eq(dsc_tensor_get_f64(&host, k), 1);
        dsc_tensor_clear(&one);
        dsc_tensor_clear(&t);
        dsc_tensor_clear(&host);
    }
}
END_TEST

START_TEST(what_is_not_there_says_so)
{
    struct dsc_err err = {0};
    struct dsc_tensor t;
    const int64_t n = 4;
    const struct dsc_axis_view view = {1, 4, 1};

    ck_assert_int_eq(dsc_device_zeros(cuda, &t, DSC_I32, 1, &n, NULL), DSC_OK);
    ck_assert_int_eq(dsc_softmax(cuda, false, view, &t, &t, &err), DSC_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "softmax of i32 on cuda"));
    dsc_tensor_clear(&t);
    err = (struct dsc_err){0};
    ck_assert_int_eq(dsc_device_tensor(cuda, &t, DSC_F32, 1, (int64_t[]){(int64_t)1 << 50}, &err),
                     DSC_E_MEMORY);
}
END_TEST

static TCase *cases(void)
{
    TCase *t = tcase_create("primitives");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, maps_and_their_gradients);
    tcase_add_test(t, softmax_and_its_gradient);
    tcase_add_test(t, products_of_every_type);
    tcase_add_test(t, copies_transpose_reverse_and_sum);
    tcase_add_test(t, fill_writes_every_size_of_element);
    tcase_add_test(t, what_is_not_there_says_so);
    return t;
}

int main(void)
{
    struct dsc_err err = {0};
    Suite *s;
    SRunner *r;
    int n_failed;

    if (dsc_device_open(&cuda, "cuda", 1, &err) != DSC_OK) {
        printf("1..0 # SKIP %s\n", err.message);
        return 0;
    }
    if (dsc_device_open(&cpu, "cpu", 1, &err) != DSC_OK)
        return 1;
    s = suite_create("cuda");
    suite_add_tcase(s, cases());
    r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK); /* a CUDA context does not outlive a fork */
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    dsc_device_close(cuda);
    dsc_device_close(cpu);
    return n_failed ? 1 : 0;
}
