/*
 * map and map_bwd: element-wise functions of one tensor, from the expressions of maps.def. F32
 * takes the kernel where there is one: its own polynomials, equal at every CPU level.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

#include <stddef.h>
#include <string.h>
#include <tgmath.h>

#define dsc_clamp01(v) ((v) < 0 ? (T)0 : (v) > 1 ? (T)1 : (v))
#define dsc_gelu_tanh_slope(v)                                                            \
    ((T)0.5 * (1 + tanh((T)0.7978845608028654 * ((v) + (T)0.044715 * (v) * (v) * (v)))) + \
     (T)0.5 * (v) *                                                                       \
         (1 - tanh((T)0.7978845608028654 * ((v) + (T)0.044715 * (v) * (v) * (v))) *       \
                  tanh((T)0.7978845608028654 * ((v) + (T)0.044715 * (v) * (v) * (v)))) *  \
         (T)0.7978845608028654 * (1 + 3 * (T)0.044715 * (v) * (v)))

#define MAP_ROWS(T_, sfx, name, fwd, slope)                                                   \
    static void name##_##sfx(T_ *yp, const T_ *xp, int64_t n, T_ a, T_ b)                     \
    {                                                                                         \
        for (int64_t i = 0; i < n; i++) {                                                     \
            const T_ x = xp[i];                                                               \
            yp[i] = (T_)(fwd);                                                                \
        }                                                                                     \
        (void)a;                                                                              \
        (void)b;                                                                              \
    }                                                                                         \
    static void name##_bwd_##sfx(T_ *dx, const T_ *dy, const T_ *xp, const T_ *yp, int64_t n, \
                                 T_ a, T_ b)                                                  \
    {                                                                                         \
        for (int64_t i = 0; i < n; i++) {                                                     \
            const T_ x = xp ? xp[i] : 0, y = yp ? yp[i] : 0;                                  \
            dx[i] += dy[i] * (T_)(slope);                                                     \
            (void)x;                                                                          \
            (void)y;                                                                          \
        }                                                                                     \
        (void)a;                                                                              \
        (void)b;                                                                              \
    }

#define T float
#define DSC_MAP(name, fwd, slope) MAP_ROWS(float, f32, name, fwd, slope)
#include "device/maps.def"
#undef DSC_MAP
#undef T
#define T double
#define DSC_MAP(name, fwd, slope) MAP_ROWS(double, f64, name, fwd, slope)
#include "device/maps.def"
#undef DSC_MAP
#undef T

static const struct {
    void (*f32)(float *, const float *, int64_t, float, float);
    void (*f64)(double *, const double *, int64_t, double, double);
    void (*bwd_f32)(float *, const float *, const float *, const float *, int64_t, float, float);
    void (*bwd_f64)(double *, const double *, const double *, const double *, int64_t, double,
                    double);
} rows[DSC_MAP_COUNT] = {
#define DSC_MAP(name, fwd, slope) {name##_f32, name##_f64, name##_bwd_f32, name##_bwd_f64},
#include "device/maps.def"
#undef DSC_MAP
};

/* Slots of struct dsc_kernels; 0, which is none, where the expression is fast enough. `is_of_y`:
 * the slope is computed from the result. */
static const struct {
    size_t fwd, bwd;
    bool is_of_y;
} kernel_slots[DSC_MAP_COUNT] = {
#define BOTH(name)                                                                              \
    {                                                                                           \
        offsetof(struct dsc_kernels, name##_f32), offsetof(struct dsc_kernels, name##_bwd_f32), \
            false                                                                               \
    }
    [DSC_MAP_erf] = {offsetof(struct dsc_kernels, erf_f32), 0, false},
    [DSC_MAP_exp] = {offsetof(struct dsc_kernels, exp_f32), 0, false},
    [DSC_MAP_gelu] = BOTH(gelu),
    [DSC_MAP_gelu_tanh] = BOTH(gelu_tanh),
    [DSC_MAP_log] = {offsetof(struct dsc_kernels, log_f32), 0, false},
    [DSC_MAP_sigmoid] = {offsetof(struct dsc_kernels, sigmoid_f32),
                         offsetof(struct dsc_kernels, sigmoid_bwd_f32), true},
    [DSC_MAP_tanh] = {offsetof(struct dsc_kernels, tanh_f32),
                      offsetof(struct dsc_kernels, tanh_bwd_f32), true},
};

#undef BOTH

static dsc_map_f32_fn *fwd_kernel(const struct dsc_kernels *k, enum dsc_map_fn fn)
{
    dsc_map_f32_fn *kernel = NULL;

    if (kernel_slots[fn].fwd)
        memcpy(&kernel, (const char *)k + kernel_slots[fn].fwd, sizeof kernel);
    return kernel;
}

static dsc_map_bwd_f32_fn *bwd_kernel(const struct dsc_kernels *k, enum dsc_map_fn fn)
{
    dsc_map_bwd_f32_fn *kernel = NULL;

    if (kernel_slots[fn].bwd)
        memcpy(&kernel, (const char *)k + kernel_slots[fn].bwd, sizeof kernel);
    return kernel;
}

void dsc_cpu_map_f32(const struct dsc_kernels *kernels, enum dsc_map_fn fn, float *y,
                     const float *x, int64_t n)
{
    dsc_map_f32_fn *kernel = fwd_kernel(kernels, fn);

    if (kernel)
        kernel(y, x, n);
    else
        rows[fn].f32(y, x, n, 0, 0);
}

struct map_job {
    const struct dsc_kernels *kernels;
    enum dsc_map_fn fn;
    struct dsc_map_param p;
    enum dsc_dtype dtype;
    int64_t n;
    char *out;
    const char *dy, *x, *y;
};

static const void *at(const char *p, int64_t byte)
{
    return p ? p + byte : NULL;
}

static void map_tile(void *ctx, int64_t tile)
{
    const struct map_job *j = ctx;
    const int64_t i = tile * DSC_CPU_TILE, n = dsc_cpu_tile_end(tile, j->n) - i;
    dsc_map_f32_fn *kernel = j->dtype == DSC_F32 ? fwd_kernel(j->kernels, j->fn) : NULL;

    if (kernel)
        kernel((float *)j->out + i, (const float *)j->x + i, n);
    else if (j->dtype == DSC_F32)
        rows[j->fn].f32((float *)j->out + i, (const float *)j->x + i, n, (float)j->p.alpha,
                        (float)j->p.beta);
    else
        rows[j->fn].f64((double *)j->out + i, (const double *)j->x + i, n, j->p.alpha, j->p.beta);
}

static void map_bwd_tile(void *ctx, int64_t tile)
{
    const struct map_job *j = ctx;
    const int64_t i = tile * DSC_CPU_TILE, n = dsc_cpu_tile_end(tile, j->n) - i;
    dsc_map_bwd_f32_fn *kernel = j->dtype == DSC_F32 ? bwd_kernel(j->kernels, j->fn) : NULL;
    const char *of = kernel_slots[j->fn].is_of_y ? j->y : j->x;

    if (kernel && of)
        kernel((float *)j->out + i, (const float *)j->dy + i, (const float *)of + i, n);
    else if (j->dtype == DSC_F32)
        rows[j->fn].bwd_f32((float *)j->out + i, at(j->dy, 4 * i), at(j->x, 4 * i), at(j->y, 4 * i),
                            n, (float)j->p.alpha, (float)j->p.beta);
    else
        rows[j->fn].bwd_f64((double *)j->out + i, at(j->dy, 8 * i), at(j->x, 8 * i),
                            at(j->y, 8 * i), n, j->p.alpha, j->p.beta);
}

/* Integers know five of the functions; they are rare and short, so one plain loop serves all. */
static enum dsc_status map_int(enum dsc_map_fn fn, const struct dsc_tensor *y,
                               const struct dsc_tensor *x, struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(x);
    struct dsc_tensor out = *y;

    for (int64_t i = 0; i < n; i++) {
        const int64_t v = dsc_tensor_get_i64(x, i);
        const bool is_negative = v < 0 && x->dtype != DSC_U64;
        int64_t r;

        switch (fn) {
        case DSC_MAP_abs:
            r = is_negative ? (int64_t)(0 - (uint64_t)v) : v;
            break;
        case DSC_MAP_neg:
            r = (int64_t)(0 - (uint64_t)v);
            break;
        case DSC_MAP_sign:
            r = is_negative ? -1 : v != 0;
            break;
        case DSC_MAP_relu:
            r = is_negative ? 0 : v;
            break;
        default:
            return dsc_cpu_no_dtype("map", x, err);
        }
        dsc_tensor_set_i64(&out, i, r);
    }
    return DSC_OK;
}

enum dsc_status dsc_cpu_map(struct dsc_device *d, enum dsc_map_fn fn, struct dsc_map_param p,
                            const struct dsc_tensor *y, const struct dsc_tensor *x,
                            struct dsc_err *e)
{
    struct map_job j = {.kernels = d->kernels,
                        .fn = fn,
                        .p = p,
                        .dtype = x->dtype,
                        .n = dsc_tensor_n_elems(x),
                        .out = y->data};

    j.x = x->data;
    if (dsc_cpu_is_half(x)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w,
                              dsc_cpu_map(d, fn, p, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1), e));
    }
    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return map_int(fn, y, x, e);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), map_tile, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_map_bwd(struct dsc_device *d, enum dsc_map_fn fn, struct dsc_map_param p,
                                const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                const struct dsc_tensor *x, const struct dsc_tensor *y,
                                struct dsc_err *e)
{
    struct map_job j = {.kernels = d->kernels,
                        .fn = fn,
                        .p = p,
                        .dtype = dx->dtype,
                        .n = dsc_tensor_n_elems(dx),
                        .out = dx->data};

    j.dy = dy->data;
    j.x = x ? x->data : NULL;
    j.y = y ? y->data : NULL;
    if (dsc_cpu_is_half(dx)) {
        struct dsc_cpu_wide w = {.n = 4, .arg = {dx, dy, x, y}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w,
                              dsc_cpu_map_bwd(d, fn, p, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1),
                                              dsc_cpu_wide(&w, 2), dsc_cpu_wide(&w, 3), e));
    }
    if (dx->dtype != DSC_F32 && dx->dtype != DSC_F64)
        return dsc_cpu_no_dtype("map_bwd", dx, e);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), map_bwd_tile, &j);
    return DSC_OK;
}
