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
    int which; /* of a table, or whether the softmax is logarithmic */
    int side;
    uint32_t axes;
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

        ck_assert_msg(x == y || (x != x && y != y) || fabs(x - y) <= tolerance * (1 + fabs(y)),
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

/* Broadcasts. */

static const char *const binary_names[] = {
#define DSC_BINARY(name, ...) #name,
#include "device/binaries.def"
#undef DSC_BINARY
};

enum { NUM, CMP, BIT };
static const int binary_kinds[] = {
#define DSC_BINARY(name, kind, ...) kind,
#include "device/binaries.def"
#undef DSC_BINARY
};

/* in[0] > in[1], a bool tensor of in[0]'s shape. */
static enum dsc_status greater(struct dsc_device *d, struct dsc_tensor *t,
                               const struct dsc_tensor *a, const struct dsc_tensor *b,
                               struct dsc_err *err)
{
    DSC_TRY(dsc_device_tensor(d, t, DSC_BOOL, a->rank, a->dim, err));
    return dsc_binary(d, DSC_BINARY_greater, t, a, b, err);
}

static enum dsc_status do_binary(struct dsc_device *d, const struct job *j, struct tensors *t,
                                 struct dsc_err *err)
{
    const enum dsc_binary_fn fn = (enum dsc_binary_fn)j->which;
    struct dsc_tensor p, q, r;
    enum dsc_status st;

    if (binary_kinds[fn] == NUM)
        return dsc_binary(d, fn, &t->out, &t->in[0], &t->in[1], err);
    DSC_TRY(greater(d, &p, &t->in[0], &t->in[1], err));
    DSC_TRY(greater(d, &q, &t->in[2], &t->in[1], err));
    DSC_TRY(dsc_device_tensor(d, &r, DSC_BOOL, t->out.rank, t->out.dim, err));
    st = binary_kinds[fn] == BIT ? dsc_binary(d, fn, &r, &p, &q, err)
                                 : dsc_binary(d, fn, &r, &t->in[0], &t->in[1], err);
    if (st == DSC_OK)
        st = dsc_cast(d, &t->out, &r, err);
    dsc_tensor_clear(&p);
    dsc_tensor_clear(&q);
    dsc_tensor_clear(&r);
    return st;
}

static enum dsc_status do_binary_bwd(struct dsc_device *d, const struct job *j, struct tensors *t,
                                     struct dsc_err *err)
{
    const bool is_add = j->which == DSC_BINARY_add; /* reads neither */

    return dsc_binary_bwd(d, (enum dsc_binary_fn)j->which, j->side, &t->out, &t->in[2],
                          is_add ? NULL : &t->in[0], is_add ? NULL : &t->in[1], err);
}

static enum dsc_status do_select(struct dsc_device *d, const struct job *j, struct tensors *t,
                                 struct dsc_err *err)
{
    struct dsc_tensor c;
    enum dsc_status st;

    (void)j;
    DSC_TRY(greater(d, &c, &t->in[0], &t->in[1], err));
    st = dsc_select(d, &t->out, &c, &t->in[1], &t->in[2], err);
    dsc_tensor_clear(&c);
    return st;
}

START_TEST(binaries_broadcast)
{
    const struct numbers whole = {1, 0, 3, {5, 60, 33}};
    const struct numbers other[] = {{1, 0.5, 3, {5, 60, 33}}, {1, 0.5, 1, {33}},
                                    {1, 0.5, 2, {60, 1}},     {1, 0.5, 0, {0}},
                                    {1, 0.5, 3, {5, 1, 33}},  {1, 0.5, 3, {5, 1, 1}}};

    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        struct job j = {.n_in = 3, .in = {whole, other[i], whole}, .out = whole};

        for (j.which = 0; j.which < DSC_BINARY_COUNT; j.which++) {
            j.name = binary_names[j.which];
            j.in[0] = j.in[2] = j.out = whole;
            j.in[2].shift = 0.25;
            j.in[0].scale = j.which == DSC_BINARY_pow ? 0.25 : 1;
            j.in[0].shift = j.which == DSC_BINARY_pow ? 1.5 : 0;
            j.compute = do_binary;
            check(&j);
            if (binary_kinds[j.which] != NUM)
                continue;
            j.compute = do_binary_bwd;
            j.in[2].scale = 1e-4; /* sums meet in another order */
            j.in[2].shift = 0;
            for (j.side = 0; j.side < 2; j.side++) {
                j.out = j.side ? other[i] : whole;
                check_type(&j, DSC_F64, 1e-12);
                check_type(&j, DSC_F32, 2e-5);
            }
        }
        j.name = "select";
        j.compute = do_select;
        j.out = whole;
        check(&j);
    }
}
END_TEST

static enum dsc_status do_cast(struct dsc_device *d, const struct job *j, struct tensors *t,
                               struct dsc_err *err)
{
    struct dsc_tensor c;
    enum dsc_status st;

    DSC_TRY(dsc_device_tensor(d, &c, (enum dsc_dtype)j->which, t->out.rank, t->out.dim, err));
    st = dsc_cast(d, &c, &t->in[0], err);
    if (st == DSC_OK)
        st = dsc_cast(d, &t->out, &c, err);
    dsc_tensor_clear(&c);
    return st;
}

START_TEST(casts_there_and_back)
{
    static const enum dsc_dtype types[] = {DSC_F64, DSC_I32, DSC_I64, DSC_BOOL};
    const struct numbers n = {1, 0, 1, {30000}};
    struct job j = {.name = "cast", .compute = do_cast, .n_in = 1, .in = {n}, .out = n};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        j.which = (int)types[i];
        check_type(&j, DSC_F64, 0);
        check_type(&j, DSC_F32, 0);
    }
}
END_TEST

/* Reductions. */

static enum dsc_status do_reduce(struct dsc_device *d, const struct job *j, struct tensors *t,
                                 struct dsc_err *err)
{
    return dsc_reduce(d, (enum dsc_reduce_fn)j->which, j->axes, &t->out, &t->in[0], err);
}

static enum dsc_status do_reduce_bwd(struct dsc_device *d, const struct job *j, struct tensors *t,
                                     struct dsc_err *err)
{
    const enum dsc_reduce_fn fn = (enum dsc_reduce_fn)j->which;

    DSC_TRY(dsc_reduce(d, fn, j->axes, &t->in[2], &t->in[0], err));
    return dsc_reduce_bwd(d, fn, j->axes, &t->out, &t->in[1], &t->in[0], &t->in[2], err);
}

START_TEST(reductions_over_any_axes)
{
    static const int64_t dim[] = {6, 50, 7};

    for (uint32_t axes = 0; axes < 8; axes++)
        for (int fn = 0; fn < DSC_REDUCE_COUNT; fn++) {
            const struct numbers x = {0.02, 1, 3, {dim[0], dim[1], dim[2]}};
            struct numbers kept = {1, 0, 3, {0}};
            struct job j = {.name = "reduce", .n_in = 3, .which = fn, .axes = axes};

            for (int k = 0; k < 3; k++)
                kept.dim[k] = axes >> k & 1 ? 1 : dim[k];
            j.in[0] = x;
            j.in[1] = j.in[2] = j.out = kept;
            j.compute = do_reduce;
            check_type(&j, DSC_F64, 1e-12);
            check_type(&j, DSC_F32, 1e-5);
            j.compute = do_reduce_bwd;
            j.out = x;
            check_type(&j, DSC_F64, 1e-12);
            check_type(&j, DSC_F32, 1e-5);
        }
}
END_TEST

static enum dsc_status do_cumsum(struct dsc_device *d, const struct job *j, struct tensors *t,
                                 struct dsc_err *err)
{
    return dsc_cumsum(d, j->which & 1, j->which >> 1, j->view, &t->out, &t->in[0], err);
}

START_TEST(cumsum_both_ways)
{
    const struct numbers n = {1, 0, 3, {5, 400, 3}};
    struct job j = {.name = "cumsum",
                    .compute = do_cumsum,
                    .n_in = 1,
                    .in = {n},
                    .out = n,
                    .view = {5, 400, 3}};

    for (j.which = 0; j.which < 4; j.which++)
        check(&j);
}
END_TEST

/* Rows by index. */

/* n indices below `below` (some from the end, some twice) on d. */
static void make_indices(struct dsc_device *d, struct dsc_tensor *t, enum dsc_dtype dtype,
                         int64_t n, int64_t below)
{
    struct dsc_tensor host;

    ck_assert_int_eq(dsc_tensor_new(&host, dtype, 1, &n, NULL), DSC_OK);
    for (int64_t i = 0; i < n; i++)
        dsc_tensor_set_i64(&host, i, i * i * 7 % below - (i % 3 == 0 ? below : 0));
    ck_assert_int_eq(dsc_to_device(d, t, &host, NULL), DSC_OK);
    dsc_tensor_clear(&host);
}

/* which: 0 gather, 1 scatter, 2 zeros, 3 sums. */
static enum dsc_status do_rows(struct dsc_device *d, const struct job *j, struct tensors *t,
                               struct dsc_err *err)
{
    struct dsc_tensor idx;
    enum dsc_status st;

    make_indices(d, &idx, j->side ? DSC_I64 : DSC_I32, 90, j->view.n);
    if (j->which == 0)
        st = dsc_gather(d, j->view, &t->out, &t->in[0], &idx, err);
    else
        st = dsc_scatter(d, j->which == 3 ? DSC_SCATTER_ADD : DSC_SCATTER_NONE, j->view, &t->out,
                         &idx, j->which == 2 ? NULL : &t->in[0], err);
    dsc_tensor_clear(&idx);
    return st;
}

START_TEST(rows_are_gathered_and_scattered_in_order)
{
    const struct dsc_axis_view v = {3, 40, 70};
    const struct numbers rows = {1, 0, 3, {3, 90, 70}}, table = {1, 0, 3, {3, 40, 70}};

    for (int which = 0; which < 4; which++)
        for (int side = 0; side < 2; side++) {
            const struct job j = {.name = "rows",
                                  .compute = do_rows,
                                  .n_in = 1,
                                  .in = {which ? rows : table},
                                  .out = which ? table : rows,
                                  .which = which,
                                  .side = side,
                                  .view = v};

            check_type(&j, DSC_F64, which == 3 ? 1e-13 : 0);
            check_type(&j, DSC_F32, which == 3 ? 2e-6 : 0);
        }
}
END_TEST

static enum dsc_status do_elements(struct dsc_device *d, const struct job *j, struct tensors *t,
                                   struct dsc_err *err)
{
    const int64_t dim[] = {4, 30, 7};
    struct dsc_tensor idx, flat;
    enum dsc_status st;

    make_indices(d, &idx, DSC_I64, 4 * 9 * 7, 30);
    idx.rank = 3;
    idx.dim[0] = 4, idx.dim[1] = 9, idx.dim[2] = 7;
    DSC_TRY(dsc_device_tensor(d, &flat, DSC_I64, 3, idx.dim, err));
    st = dsc_index_elements(d, 3, dim, j->which, &flat, &idx, err);
    if (st == DSC_OK)
        st = dsc_cast(d, &t->out, &flat, err);
    dsc_tensor_clear(&idx);
    dsc_tensor_clear(&flat);
    return st;
}

START_TEST(elements_get_their_places)
{
    const struct job j = {
        .name = "elements", .compute = do_elements, .out = {1, 0, 3, {4, 9, 7}}, .which = 1};

    check_type(&j, DSC_F64, 0);
}
END_TEST

START_TEST(an_index_outside_is_named)
{
    const struct numbers n = {1, 0, 2, {90, 4}};
    struct dsc_err err = {0};
    struct dsc_tensor x, y, idx;

    make(cuda, &x, DSC_F32, &n);
    make(cuda, &y, DSC_F32, &n);
    make_indices(cuda, &idx, DSC_I64, 90, 40);
    ck_assert_int_eq(dsc_gather(cuda, (struct dsc_axis_view){1, 20, 4}, &y, &x, &idx, &err),
                     DSC_E_RANGE);
    ck_assert_ptr_nonnull(
        strstr(err.message, "index -40 (element 0 of the indices) is not in [-20"));
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    dsc_tensor_clear(&idx);
}
END_TEST

/* Rows that are normalised. */

static enum dsc_status do_norm(struct dsc_device *d, const struct job *j, struct tensors *t,
                               struct dsc_err *err)
{
    const struct dsc_norm_spec s = {120, 97, j->which, 1e-5};

    return dsc_norm(d, &s, &t->out, NULL, NULL, &t->in[0], &t->in[1], &t->in[1], err);
}

static enum dsc_status do_norm_bwd(struct dsc_device *d, const struct job *j, struct tensors *t,
                                   struct dsc_err *err)
{
    const struct dsc_norm_spec s = {120, 97, j->which, 1e-5};
    const struct dsc_norm_grads g = {.dx = j->side == 0 ? &t->out : NULL,
                                     .dgain = j->side == 1 ? &t->out : NULL,
                                     .dbias = j->side == 2 ? &t->out : NULL,
                                     .dy = &t->in[2]};

    return dsc_norm_bwd(d, &s, &g, &t->in[0], &t->in[1], err);
}

START_TEST(norm_and_its_gradients)
{
    const struct numbers x = {1, 0, 2, {120, 97}};

    for (int channels = 0; channels <= 12; channels += 12) {
        const struct numbers gain = {1, 0.5, 1, {channels ? channels : 97}};
        struct job j = {.name = "norm",
                        .compute = do_norm,
                        .n_in = 3,
                        .in = {x, gain, x},
                        .out = x,
                        .which = channels};

        check_type(&j, DSC_F64, 1e-12);
        check_type(&j, DSC_F32, 2e-5);
        j.compute = do_norm_bwd;
        j.in[2].scale = 0.01;
        for (j.side = 0; j.side < 3; j.side++) {
            j.out = j.side ? gain : x;
            check_type(&j, DSC_F64, 1e-12);
            check_type(&j, DSC_F32, 2e-5);
        }
    }
}
END_TEST

/* Dropout draws what the cpu draws. */

static enum dsc_status do_dropout(struct dsc_device *d, const struct job *j, struct tensors *t,
                                  struct dsc_err *err)
{
    static const int64_t ids[] = {7, 3, (int64_t)1 << 40};
    const struct dsc_rng_key key = dsc_rng_key(5);

    if (j->which)
        return dsc_dropout_bwd(d, 0.3, key, 1001, ids, &t->out, &t->in[0], err);
    return dsc_dropout(d, 0.3, key, 1001, j->side ? ids : NULL, &t->out, NULL, &t->in[0], err);
}

START_TEST(dropout_draws_the_same_everywhere)
{
    const struct numbers n = {1, 7, 2, {3, 1001}};
    struct job j = {.name = "dropout", .compute = do_dropout, .n_in = 1, .in = {n}, .out = n};

    for (j.which = 0; j.which < 2; j.which++)
        for (j.side = 0; j.side < 2; j.side++)
            check(&j);
}
END_TEST

/* Optimizers are F32 alone. */

static void step(struct dsc_device *d, bool is_adamw, struct dsc_tensor *w, double *squares)
{
    const struct dsc_adamw adamw = {1e-2, 0.9, 0.999, 1e-8, 0.1, 0.1, 0.001, 0.5};
    const struct dsc_sgd sgd = {1e-2, 0.9, 0.1, 0.5};
    const struct numbers n = {0.1, 0, 1, {40000}}, positive = {0.01, 0.1, 1, {40000}};
    struct dsc_tensor on, m, v, g;
    struct dsc_err err = {0};

    make(d, &on, DSC_F32, &n);
    make(d, &m, DSC_F32, &n);
    make(d, &v, DSC_F32, &positive);
    make(d, &g, DSC_F32, &n);
    ck_assert_int_eq(is_adamw ? dsc_adamw(d, &adamw, &on, &m, &v, &g, &err)
                              : dsc_sgd(d, &sgd, &on, &m, &g, &err),
                     DSC_OK);
    ck_assert_int_eq(dsc_sum_squares(d, squares, &on, &err), DSC_OK);
    ck_assert_int_eq(dsc_to_host(w, &on, &err), DSC_OK);
    dsc_tensor_clear(&on);
    dsc_tensor_clear(&m);
    dsc_tensor_clear(&v);
    dsc_tensor_clear(&g);
}

START_TEST(optimizers_step_alike)
{
    for (int is_adamw = 0; is_adamw < 2; is_adamw++) {
        struct dsc_tensor a, b;
        double square_a, square_b;

        step(cpu, is_adamw, &a, &square_a);
        step(cuda, is_adamw, &b, &square_b);
        for (int64_t i = 0; i < dsc_tensor_n_elems(&a); i++)
            ck_assert_double_eq_tol(dsc_tensor_get_f64(&a, i), dsc_tensor_get_f64(&b, i), 1e-6);
        ck_assert_double_eq_tol(square_a, square_b, 1e-3);
        dsc_tensor_clear(&a);
        dsc_tensor_clear(&b);
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
    tcase_add_test(t, binaries_broadcast);
    tcase_add_test(t, casts_there_and_back);
    tcase_add_test(t, reductions_over_any_axes);
    tcase_add_test(t, cumsum_both_ways);
    tcase_add_test(t, rows_are_gathered_and_scattered_in_order);
    tcase_add_test(t, elements_get_their_places);
    tcase_add_test(t, an_index_outside_is_named);
    tcase_add_test(t, norm_and_its_gradients);
    tcase_add_test(t, dropout_draws_the_same_everywhere);
    tcase_add_test(t, optimizers_step_alike);
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
