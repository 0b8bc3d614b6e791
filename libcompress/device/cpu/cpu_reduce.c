/*
 * reduce and reduce_bwd over any set of axes. A tile is a range of outputs; each output walks its
 * elements in index order, with sums in double, so bytes do not depend on threads.
 */
#include "device/cpu/cpu.h"

#include <math.h>

/* Axes of x that are kept (they number the outputs), and those that are summed over. */
struct reduce_job {
    enum dsc_reduce_fn fn;
    const struct dsc_tensor *x, *y, *dx, *dy;
    int n_kept, n_gone;
    int64_t kept_dim[DSC_MAX_RANK], kept_stride[DSC_MAX_RANK];
    int64_t gone_dim[DSC_MAX_RANK], gone_stride[DSC_MAX_RANK];
    int64_t n_out, n_in; /* outputs; elements of one output */
    int64_t per_tile;
};

static void split_axes(struct reduce_job *j, uint32_t axes, const struct dsc_tensor *x)
{
    int64_t stride = 1;

    j->n_out = j->n_in = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        const bool is_gone = axes >> i & 1;
        int *n = is_gone ? &j->n_gone : &j->n_kept;
        int64_t *dim = is_gone ? j->gone_dim : j->kept_dim;
        int64_t *st = is_gone ? j->gone_stride : j->kept_stride;

        /* axes are stored inner first; neighbours that walk on evenly are one */
        if (*n > 0 && st[*n - 1] * dim[*n - 1] == stride && x->dim[i] > 0) {
            dim[*n - 1] *= x->dim[i];
        } else {
            dim[*n] = x->dim[i];
            st[(*n)++] = stride;
        }
        *(is_gone ? &j->n_in : &j->n_out) *= x->dim[i];
        stride *= x->dim[i];
    }
    j->per_tile = DSC_CPU_TILE / (j->n_in + 1) + 1;
}

static int64_t base_of(const struct reduce_job *j, int64_t out)
{
    int64_t at = 0;

    for (int i = 0; i < j->n_kept; i++) {
        at += out % j->kept_dim[i] * j->kept_stride[i];
        out /= j->kept_dim[i];
    }
    return at;
}

/* Offset of element k of an output, relative to its base. */
static int64_t offset_of(const struct reduce_job *j, int64_t k)
{
    int64_t at = 0;

    for (int i = 0; i < j->n_gone; i++) {
        at += k % j->gone_dim[i] * j->gone_stride[i];
        k /= j->gone_dim[i];
    }
    return at;
}

static double load(const struct dsc_tensor *t, int64_t i)
{
    return t->dtype == DSC_F32 ? (double)((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static void store(const struct dsc_tensor *t, int64_t i, double v, bool is_adding)
{
    if (t->dtype == DSC_F32)
        ((float *)t->data)[i] = is_adding ? ((float *)t->data)[i] + (float)v : (float)v;
    else
        ((double *)t->data)[i] = is_adding ? ((double *)t->data)[i] + v : v;
}

static double start_of(enum dsc_reduce_fn fn)
{
    return fn == DSC_REDUCE_max    ? -INFINITY
           : fn == DSC_REDUCE_min  ? INFINITY
           : fn == DSC_REDUCE_prod ? 1
                                   : 0;
}

static double step(enum dsc_reduce_fn fn, double acc, double v)
{
    switch (fn) {
    case DSC_REDUCE_max:
        return v > acc || v != v ? v : acc;
    case DSC_REDUCE_min:
        return v < acc || v != v ? v : acc;
    case DSC_REDUCE_prod:
        return acc * v;
    case DSC_REDUCE_l1:
        return acc + fabs(v);
    case DSC_REDUCE_l2:
    case DSC_REDUCE_sum_square:
        return acc + v * v;
    default:
        return acc + v;
    }
}

static double finish(enum dsc_reduce_fn fn, double acc, int64_t n)
{
    switch (fn) {
    case DSC_REDUCE_mean:
        return acc / (double)n;
    case DSC_REDUCE_l2:
        return sqrt(acc);
    case DSC_REDUCE_log_sum:
        return log(acc);
    default:
        return acc;
    }
}

static double log_sum_exp(const struct reduce_job *j, int64_t base)
{
    double top = -INFINITY, sum = 0;

    for (int64_t k = 0; k < j->n_in; k++)
        top = step(DSC_REDUCE_max, top, load(j->x, base + offset_of(j, k)));
    if (isinf(top))
        return top;
    for (int64_t k = 0; k < j->n_in; k++)
        sum += exp(load(j->x, base + offset_of(j, k)) - top);
    return top + log(sum);
}

/* Sums and means along one even stride are nearly all reductions there are. */
static double plain_sum_f32(const struct reduce_job *j, int64_t base)
{
    const float *x = (const float *)j->x->data + base;
    double lane[8] = {0};
    int64_t k = 0;

    for (; k + 8 <= j->n_in; k += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += x[(k + l) * j->gone_stride[0]];
    for (; k < j->n_in; k++)
        lane[0] += x[k * j->gone_stride[0]];
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
           ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

static double reduce_one(const struct reduce_job *j, int64_t base)
{
    double acc = start_of(j->fn);

    if (j->fn == DSC_REDUCE_log_sum_exp)
        return log_sum_exp(j, base);
    if ((j->fn == DSC_REDUCE_sum || j->fn == DSC_REDUCE_mean) && j->n_gone == 1 &&
        j->x->dtype == DSC_F32)
        return finish(j->fn, plain_sum_f32(j, base), j->n_in);
    for (int64_t k = 0; k < j->n_in; k++)
        acc = step(j->fn, acc, load(j->x, base + offset_of(j, k)));
    return finish(j->fn, acc, j->n_in);
}

static void reduce_tile(void *ctx, int64_t tile)
{
    const struct reduce_job *j = ctx;
    const int64_t end = (tile + 1) * j->per_tile;

    for (int64_t o = tile * j->per_tile; o < end && o < j->n_out; o++)
        store(j->y, o, reduce_one(j, base_of(j, o)), false);
}

static int64_t int_start(enum dsc_reduce_fn fn, const struct dsc_tensor *x)
{
    const int bits = dsc_dtype_bits(x->dtype);
    const bool is_signed = dsc_dtype_kind(x->dtype) == DSC_KIND_SIGNED;

    if (fn == DSC_REDUCE_max)
        return is_signed ? -((int64_t)1 << (bits - 2)) * 2 : 0;
    if (fn == DSC_REDUCE_min)
        return x->dtype == DSC_BOOL ? 1
               : is_signed          ? (((int64_t)1 << (bits - 2)) - 1) * 2 + 1
               : bits == 64         ? -1
                                    : ((int64_t)1 << bits) - 1;
    return fn == DSC_REDUCE_prod;
}

static int64_t int_step(enum dsc_reduce_fn fn, bool is_unsigned, int64_t acc, int64_t v)
{
    const bool is_less = is_unsigned ? (uint64_t)v < (uint64_t)acc : v < acc;

    switch (fn) {
    case DSC_REDUCE_max:
        return !is_less ? v : acc;
    case DSC_REDUCE_min:
        return is_less ? v : acc;
    case DSC_REDUCE_prod:
        return (int64_t)((uint64_t)acc * (uint64_t)v);
    case DSC_REDUCE_l1:
        return (int64_t)((uint64_t)acc + (v < 0 && !is_unsigned ? -(uint64_t)v : (uint64_t)v));
    case DSC_REDUCE_l2:
    case DSC_REDUCE_sum_square:
        return (int64_t)((uint64_t)acc + (uint64_t)v * (uint64_t)v);
    default:
        return (int64_t)((uint64_t)acc + (uint64_t)v);
    }
}

/* The exact mean, rounded towards 0: quotients and remainders apart, for a sum may not fit. */
static int64_t int_mean(const struct reduce_job *j, int64_t base)
{
    const int64_t n = j->n_in;
    int64_t quotient = 0, rest = 0;

    for (int64_t k = 0; k < n; k++) {
        const int64_t v = dsc_tensor_get_i64(j->x, base + offset_of(j, k));

        quotient += v / n;
        rest += v % n;
    }
    quotient += rest / n;
    rest %= n;
    return quotient + (quotient < 0 && rest > 0) - (quotient > 0 && rest < 0);
}

static uint64_t uint_mean(const struct reduce_job *j, int64_t base)
{
    const uint64_t n = (uint64_t)j->n_in;
    uint64_t quotient = 0, rest = 0;

    for (uint64_t k = 0; k < n; k++) {
        const uint64_t v = (uint64_t)dsc_tensor_get_i64(j->x, base + offset_of(j, (int64_t)k));

        quotient += v / n;
        rest += v % n;
    }
    return quotient + rest / n;
}

/* u64 has values that an i64 has not: the bits are the number. */
static void put_int(struct dsc_tensor *y, int64_t i, int64_t v)
{
    if (y->dtype == DSC_U64)
        ((uint64_t *)y->data)[i] = (uint64_t)v;
    else
        dsc_tensor_set_i64(y, i, v);
}

static void reduce_int_tile(void *ctx, int64_t tile)
{
    const struct reduce_job *j = ctx;
    const int64_t end = (tile + 1) * j->per_tile;
    const bool is_unsigned = dsc_dtype_kind(j->x->dtype) != DSC_KIND_SIGNED;
    struct dsc_tensor y = *j->y;

    for (int64_t o = tile * j->per_tile; o < end && o < j->n_out; o++) {
        const int64_t base = base_of(j, o);
        int64_t acc = int_start(j->fn, j->x);

        if (j->fn == DSC_REDUCE_log_sum_exp || j->fn == DSC_REDUCE_log_sum) {
            double sum = 0;

            for (int64_t k = 0; k < j->n_in; k++) {
                const double v = dsc_tensor_get_f64(j->x, base + offset_of(j, k));

                sum += j->fn == DSC_REDUCE_log_sum ? v : exp(v);
            }
            dsc_tensor_set_f64(&y, o, trunc(log(sum))); /* also of 0 and below */
            continue;
        }
        if (j->fn == DSC_REDUCE_mean && j->n_in > 0) {
            put_int(&y, o, is_unsigned ? (int64_t)uint_mean(j, base) : int_mean(j, base));
            continue;
        }
        for (int64_t k = 0; k < j->n_in; k++)
            acc =
                int_step(j->fn, is_unsigned, acc, dsc_tensor_get_i64(j->x, base + offset_of(j, k)));
        if (j->fn == DSC_REDUCE_l2) /* a wrapped sum has no root: 0 */
            dsc_tensor_set_f64(&y, o, trunc(sqrt((double)acc)));
        else
            put_int(&y, o, acc);
    }
}

enum dsc_status dsc_cpu_reduce(struct dsc_device *d, enum dsc_reduce_fn fn, uint32_t axes,
                               const struct dsc_tensor *y, const struct dsc_tensor *x,
                               struct dsc_err *e)
{
    struct reduce_job j = {.fn = fn, .x = x, .y = y};

    if (dsc_cpu_is_half(x)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(
            &w, dsc_cpu_reduce(d, fn, axes, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1), e));
    }
    if (dsc_dtype_bits(x->dtype) < 8)
        return dsc_cpu_no_dtype("reduce", x, e);
    split_axes(&j, axes, x);
    dsc_parallel_for(d->pool, (j.n_out + j.per_tile - 1) / j.per_tile,
                     dsc_dtype_is_float(x->dtype) ? reduce_tile : reduce_int_tile, &j);
    return DSC_OK;
}

/* Product of all elements of an output but k: dprod/dx_k, right with zeros too. */
static double product_but(const struct reduce_job *j, int64_t base, int64_t but)
{
    double p = 1;

    for (int64_t k = 0; k < j->n_in; k++)
        if (k != but)
            p *= load(j->x, base + offset_of(j, k));
    return p;
}

static double slope_of(const struct reduce_job *j, int64_t base, int64_t k, double y, double n_ties)
{
    const double x = j->x ? load(j->x, base + offset_of(j, k)) : 0;

    switch (j->fn) {
    case DSC_REDUCE_sum:
        return 1;
    case DSC_REDUCE_mean:
        return 1 / (double)j->n_in;
    case DSC_REDUCE_max:
    case DSC_REDUCE_min:
        return x == y ? 1 / n_ties : 0;
    case DSC_REDUCE_prod:
        return x != 0 ? y / x : product_but(j, base, k);
    case DSC_REDUCE_l1:
        return (x > 0) - (x < 0);
    case DSC_REDUCE_l2:
        return y != 0 ? x / y : 0;
    case DSC_REDUCE_log_sum:
        return exp(-y);
    case DSC_REDUCE_log_sum_exp:
        return exp(x - y);
    default: /* sum_square */
        return 2 * x;
    }
}

static void reduce_bwd_tile(void *ctx, int64_t tile)
{
    const struct reduce_job *j = ctx;
    const int64_t end = (tile + 1) * j->per_tile;

    for (int64_t o = tile * j->per_tile; o < end && o < j->n_out; o++) {
        const int64_t base = base_of(j, o);
        const double y = j->y ? load(j->y, o) : 0, dy = load(j->dy, o);
        double n_ties = 0;

        if (j->fn == DSC_REDUCE_max || j->fn == DSC_REDUCE_min)
            for (int64_t k = 0; k < j->n_in; k++)
                n_ties += load(j->x, base + offset_of(j, k)) == y;
        for (int64_t k = 0; k < j->n_in; k++)
            store(j->dx, base + offset_of(j, k), dy * slope_of(j, base, k, y, n_ties), true);
    }
}

enum dsc_status dsc_cpu_reduce_bwd(struct dsc_device *d, enum dsc_reduce_fn fn, uint32_t axes,
                                   const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                   const struct dsc_tensor *x, const struct dsc_tensor *y,
                                   struct dsc_err *e)
{
    struct reduce_job j = {.fn = fn, .x = x, .y = y, .dx = dx, .dy = dy};

    if (dsc_cpu_is_half(dx)) {
        struct dsc_cpu_wide w = {.n = 4, .arg = {dx, dy, x, y}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_reduce_bwd(d, fn, axes, dsc_cpu_wide(&w, 0),
                                                     dsc_cpu_wide(&w, 1), dsc_cpu_wide(&w, 2),
                                                     dsc_cpu_wide(&w, 3), e));
    }
    if (dx->dtype != DSC_F32 && dx->dtype != DSC_F64)
        return dsc_cpu_no_dtype("reduce_bwd", dx, e);
    split_axes(&j, axes, dx);
    dsc_parallel_for(d->pool, (j.n_out + j.per_tile - 1) / j.per_tile, reduce_bwd_tile, &j);
    return DSC_OK;
}
