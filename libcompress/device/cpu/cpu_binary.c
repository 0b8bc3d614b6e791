/* binary and binary_bwd: element-wise functions of two tensors with broadcasting. */
#include "device/cpu/cpu.h"

#include <tgmath.h>

/* Rows: y[i] = f(a[i * sa], b[i * sb]), strides 0 or 1; the common cases get their own loop. */
#define ROW(T_, Y_, sfx, name, expr)                                                              \
    static void name##_##sfx(void *yp, const void *ap, const void *bp, int64_t n, int sa, int sb) \
    {                                                                                             \
        Y_ *yv = yp;                                                                              \
        const T_ *av = ap, *bv = bp;                                                              \
        if (sa && sb) {                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                     \
                const T_ a = av[i], b = bv[i];                                                    \
                yv[i] = (Y_)(expr);                                                               \
            }                                                                                     \
        } else if (sa) {                                                                          \
            const T_ b = bv[0];                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                     \
                const T_ a = av[i];                                                               \
                yv[i] = (Y_)(expr);                                                               \
            }                                                                                     \
        } else {                                                                                  \
            const T_ a = av[0];                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                     \
                const T_ b = bv[sb ? i : 0];                                                      \
                yv[i] = (Y_)(expr);                                                               \
            }                                                                                     \
        }                                                                                         \
    }

#define SLOPE(T_, sfx, name, ea, eb)      \
    static T_ name##_da_##sfx(T_ a, T_ b) \
    {                                     \
        (void)a;                          \
        (void)b;                          \
        return (T_)(ea);                  \
    }                                     \
    static T_ name##_db_##sfx(T_ a, T_ b) \
    {                                     \
        (void)a;                          \
        (void)b;                          \
        return (T_)(eb);                  \
    }

/* Which rows a type instantiates: numbers all but BIT; bool only BIT and equal. */
#define NUM(T_, sfx, name, expr) ROW(T_, T_, sfx, name, expr)
#define CMP(T_, sfx, name, expr) ROW(T_, bool, sfx, name, expr)
#define BIT(T_, sfx, name, expr)

#define dsc_lt0(v) ((v) < 0)
#define dsc_div(a, b) ((a) / (b))
#define dsc_pow(a, b) pow(a, b)
#define dsc_mod(a, b) ((a) - (b)*floor((a) / (b)))
#define dsc_fmod(a, b) fmod(a, b)

#define T float
#define DSC_BINARY(name, kind, y, da, db) kind(float, f32, name, y) SLOPE(float, f32, name, da, db)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T
#define T double
#define DSC_BINARY(name, kind, y, da, db) \
    kind(double, f64, name, y) SLOPE(double, f64, name, da, db)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T

#undef dsc_lt0
#undef dsc_div
#undef dsc_pow
#undef dsc_mod
#undef dsc_fmod
/* Integers: division by zero gives 0 (no trap for what a file says); wraps like two's complement.
 */
#define dsc_lt0(v) ((v) < 1 && (v) != 0) /* v < 0 would warn for unsigned types */
#define dsc_is_minus_one(b) (dsc_lt0((T)-1) && (b) == (T)-1)
#define dsc_div(a, b) ((b) == 0 ? 0 : dsc_is_minus_one(b) ? (T)(0 - (uint64_t)(a)) : (a) / (b))
#define dsc_fmod(a, b) ((b) == 0 || dsc_is_minus_one(b) ? 0 : (a) % (b))
#define dsc_mod(a, b)                                                       \
    ((b) == 0 || dsc_is_minus_one(b)                      ? 0               \
     : (a) % (b) != 0 && dsc_lt0((a) % (b)) != dsc_lt0(b) ? (a) % (b) + (b) \
                                                          : (a) % (b))
#define dsc_pow(a, b) dsc_int_pow((double)(a), (double)(b))

static int64_t dsc_int_pow(double a, double b)
{
    const double v = pow(a, b);

    return v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : v == v ? (int64_t)v : 0;
}

#undef NUM
#define NUM(T_, sfx, name, expr) ROW(T_, T_, sfx, name, expr)

#define T int8_t
#define DSC_BINARY(name, kind, y, da, db) kind(int8_t, i8, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T
#define T uint8_t
#define DSC_BINARY(name, kind, y, da, db) kind(uint8_t, u8, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T
#define T int16_t
#define DSC_BINARY(name, kind, y, da, db) kind(int16_t, i16, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T
#define T uint16_t
#define DSC_BINARY(name, kind, y, da, db) kind(uint16_t, u16, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T
#define T int32_t
#define DSC_BINARY(name, kind, y, da, db) kind(int32_t, i32, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T
#define T uint32_t
#define DSC_BINARY(name, kind, y, da, db) kind(uint32_t, u32, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T
#define T int64_t
#define DSC_BINARY(name, kind, y, da, db) kind(int64_t, i64, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T
#define T uint64_t
#define DSC_BINARY(name, kind, y, da, db) kind(uint64_t, u64, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T

#undef NUM
#undef CMP
#undef BIT
#define NUM(T_, sfx, name, expr)
#define CMP(T_, sfx, name, expr) ROW(T_, bool, sfx, name, expr)
#define BIT(T_, sfx, name, expr) ROW(T_, bool, sfx, name, expr)
#define T bool
#define DSC_BINARY(name, kind, y, da, db) kind(bool, b8, name, y)
#include "device/binaries.def"
#undef DSC_BINARY
#undef T

typedef void row_fn(void *, const void *, const void *, int64_t, int, int);

#define NUM_ROW(name, sfx) name##_##sfx
#define CMP_ROW(name, sfx) name##_##sfx
#define BIT_ROW(name, sfx) NULL
#define NUM_BOOL(name) NULL
#define CMP_BOOL(name) name##_b8
#define BIT_BOOL(name) name##_b8

static const struct {
    row_fn *of[DSC_DTYPE_COUNT];
    float (*slope_f32[2])(float, float);
    double (*slope_f64[2])(double, double);
} rows[DSC_BINARY_COUNT] = {
#define DSC_BINARY(name, kind, y, da, db)         \
    {.of = {[DSC_F32] = kind##_ROW(name, f32),    \
            [DSC_F64] = kind##_ROW(name, f64),    \
            [DSC_I8] = kind##_ROW(name, i8),      \
            [DSC_U8] = kind##_ROW(name, u8),      \
            [DSC_I16] = kind##_ROW(name, i16),    \
            [DSC_U16] = kind##_ROW(name, u16),    \
            [DSC_I32] = kind##_ROW(name, i32),    \
            [DSC_U32] = kind##_ROW(name, u32),    \
            [DSC_I64] = kind##_ROW(name, i64),    \
            [DSC_U64] = kind##_ROW(name, u64),    \
            [DSC_BOOL] = kind##_BOOL(name)},      \
     .slope_f32 = {name##_da_f32, name##_db_f32}, \
     .slope_f64 = {name##_da_f64, name##_db_f64}},
#include "device/binaries.def"
#undef DSC_BINARY
};

/*
 * The broadcast as a loop nest: output axes, merged where a and b both walk on evenly, with the
 * strides of a and b. The last axis has strides 0 or 1.
 */
struct nest {
    int rank;
    int64_t dim[DSC_MAX_RANK], sa[DSC_MAX_RANK], sb[DSC_MAX_RANK];
};

static void broadcast_strides(const struct dsc_tensor *t, int rank, int64_t *stride)
{
    int64_t step = 1;

    for (int i = rank - 1; i >= 0; i--) {
        const int k = i - (rank - t->rank);
        const int64_t dim = k >= 0 ? t->dim[k] : 1;

        stride[i] = dim == 1 ? 0 : step;
        step *= dim;
    }
}

static void make_nest(struct nest *s, const struct dsc_tensor *y, const struct dsc_tensor *a,
                      const struct dsc_tensor *b)
{
    int64_t sa[DSC_MAX_RANK], sb[DSC_MAX_RANK];
    int r = 0;

    broadcast_strides(a, y->rank, sa);
    broadcast_strides(b, y->rank, sb);
    for (int i = 0; i < y->rank; i++) {
        if (y->dim[i] == 1)
            continue;
        if (r > 0 && s->sa[r - 1] == sa[i] * y->dim[i] && s->sb[r - 1] == sb[i] * y->dim[i]) {
            s->dim[r - 1] *= y->dim[i];
            s->sa[r - 1] = sa[i];
            s->sb[r - 1] = sb[i];
            continue;
        }
        s->dim[r] = y->dim[i];
        s->sa[r] = sa[i];
        s->sb[r++] = sb[i];
    }
    if (r == 0) {
        s->dim[0] = 1;
        s->sa[0] = s->sb[0] = 0;
        r = 1;
    }
    s->rank = r;
}

struct binary_job {
    struct nest nest;
    row_fn *fn;
    size_t in_bytes, out_bytes;
    char *y;
    const char *a, *b;
    int64_t rows_per_tile, n_rows, n_inner, cols_per_tile;
};

static void binary_rows(const struct binary_job *j, int64_t first, int64_t last, int64_t col,
                        int64_t n_cols)
{
    const struct nest *s = &j->nest;
    const int inner = s->rank - 1;

    for (int64_t r = first; r < last; r++) {
        int64_t rest = r, oa = col * s->sa[inner], ob = col * s->sb[inner];

        for (int i = inner - 1; i >= 0; i--) {
            const int64_t k = rest % s->dim[i];

            rest /= s->dim[i];
            oa += k * s->sa[i];
            ob += k * s->sb[i];
        }
        j->fn(j->y + (size_t)(r * j->n_inner + col) * j->out_bytes, j->a + (size_t)oa * j->in_bytes,
              j->b + (size_t)ob * j->in_bytes, n_cols, (int)s->sa[inner], (int)s->sb[inner]);
    }
}

static void binary_tile(void *ctx, int64_t tile)
{
    const struct binary_job *j = ctx;

    if (j->cols_per_tile < j->n_inner) { /* one long row, cut */
        const int64_t per_row = (j->n_inner + j->cols_per_tile - 1) / j->cols_per_tile;
        const int64_t col = tile % per_row * j->cols_per_tile;
        const int64_t left = j->n_inner - col;

        binary_rows(j, tile / per_row, tile / per_row + 1, col,
                    left < j->cols_per_tile ? left : j->cols_per_tile);
        return;
    }
    const int64_t first = tile * j->rows_per_tile, last = first + j->rows_per_tile;

    binary_rows(j, first, last < j->n_rows ? last : j->n_rows, 0, j->n_inner);
}

enum dsc_status dsc_cpu_binary(struct dsc_device *d, enum dsc_binary_fn fn,
                               const struct dsc_tensor *y, const struct dsc_tensor *a,
                               const struct dsc_tensor *b, struct dsc_err *e)
{
    struct binary_job j = {.fn = rows[fn].of[a->dtype], .y = y->data, .a = a->data, .b = b->data};
    const int64_t n = dsc_tensor_n_elems(y);

    if (dsc_cpu_is_half(a)) {
        struct dsc_cpu_wide w = {.n = 3, .arg = {y, a, b}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_binary(d, fn, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1),
                                                 dsc_cpu_wide(&w, 2), e));
    }
    if (!j.fn)
        return dsc_cpu_no_dtype("binary", a, e);
    if (n == 0)
        return DSC_OK;
    make_nest(&j.nest, y, a, b);
    j.in_bytes = dsc_dtype_bytes(a->dtype, 1);
    j.out_bytes = dsc_dtype_bytes(y->dtype, 1);
    j.n_inner = j.nest.dim[j.nest.rank - 1];
    j.n_rows = n / j.n_inner;
    j.cols_per_tile = DSC_CPU_TILE;
    j.rows_per_tile = j.n_inner < DSC_CPU_TILE ? DSC_CPU_TILE / j.n_inner : 1;
    dsc_parallel_for(d->pool,
                     j.cols_per_tile < j.n_inner
                         ? j.n_rows * ((j.n_inner + j.cols_per_tile - 1) / j.cols_per_tile)
                         : (j.n_rows + j.rows_per_tile - 1) / j.rows_per_tile,
                     binary_tile, &j);
    return DSC_OK;
}

/* g = dy * slope(a, b) over the broadcast shape; then summed into dx. */
struct slope_job {
    const struct dsc_tensor *g, *dy, *a, *b;
    struct nest nest;
    enum dsc_binary_fn fn;
    int side;
    int64_t n;
};

static void slope_tile(void *ctx, int64_t tile)
{
    const struct slope_job *j = ctx;
    const struct nest *s = &j->nest;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        int64_t rest = i, oa = 0, ob = 0;

        for (int k = s->rank - 1; k >= 0; k--) {
            const int64_t at = rest % s->dim[k];

            rest /= s->dim[k];
            oa += at * s->sa[k];
            ob += at * s->sb[k];
        }
        if (j->g->dtype == DSC_F32)
            ((float *)j->g->data)[i] =
                ((const float *)j->dy->data)[i] *
                rows[j->fn].slope_f32[j->side](((const float *)j->a->data)[oa],
                                               ((const float *)j->b->data)[ob]);
        else
            ((double *)j->g->data)[i] =
                ((const double *)j->dy->data)[i] *
                rows[j->fn].slope_f64[j->side](((const double *)j->a->data)[oa],
                                               ((const double *)j->b->data)[ob]);
    }
}

static enum dsc_status sum_into(struct dsc_device *d, const struct dsc_tensor *dx,
                                const struct dsc_tensor *g, double sign, struct dsc_err *e)
{
    struct dsc_walk xw = {0}, gw = {0};

    if (dsc_tensor_n_elems(dx) == dsc_tensor_n_elems(g))
        return dsc_cpu_axpy(d, sign, dx, g, e);
    broadcast_strides(dx, g->rank, xw.stride);
    broadcast_strides(g, g->rank, gw.stride);
    if (sign == 1)
        return dsc_cpu_add_copy(d, g->rank, g->dim, dx, &xw, g, &gw, e);

    struct dsc_tensor sum;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&sum, dx->dtype, dx->rank, dx->dim, e));
    st = dsc_cpu_add_copy(d, g->rank, g->dim, &sum, &xw, g, &gw, e);
    if (st == DSC_OK)
        st = dsc_cpu_axpy(d, sign, dx, &sum, e);
    dsc_tensor_clear(&sum);
    return st;
}

static enum dsc_status binary_bwd_half(struct dsc_device *d, enum dsc_binary_fn fn, int side,
                                       struct dsc_cpu_wide *w, struct dsc_err *e)
{
    DSC_TRY(dsc_cpu_widen(w, e));
    return dsc_cpu_narrow(w, dsc_cpu_binary_bwd(d, fn, side, dsc_cpu_wide(w, 0), dsc_cpu_wide(w, 1),
                                                dsc_cpu_wide(w, 2), dsc_cpu_wide(w, 3), e));
}

enum dsc_status dsc_cpu_binary_bwd(struct dsc_device *d, enum dsc_binary_fn fn, int side,
                                   const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                   const struct dsc_tensor *a, const struct dsc_tensor *b,
                                   struct dsc_err *e)
{
    struct slope_job j = {.dy = dy, .a = a, .b = b, .fn = fn, .side = side};
    struct dsc_tensor g;
    enum dsc_status st;

    if (dsc_cpu_is_half(dx)) {
        struct dsc_cpu_wide w = {.n = 4, .arg = {dx, dy, a, b}, .outs = 1};

        return binary_bwd_half(d, fn, side, &w, e);
    }
    if (dx->dtype != DSC_F32 && dx->dtype != DSC_F64)
        return dsc_cpu_no_dtype("binary_bwd", dx, e);
    if (fn == DSC_BINARY_add || (fn == DSC_BINARY_sub && side == 0))
        return sum_into(d, dx, dy, 1, e);
    if (fn == DSC_BINARY_sub)
        return sum_into(d, dx, dy, -1, e);
    DSC_TRY(dsc_tensor_new(&g, dy->dtype, dy->rank, dy->dim, e));
    if (fn == DSC_BINARY_mul) { /* the common one, by fast rows: g = dy * other */
        st = dsc_cpu_binary(d, DSC_BINARY_mul, &g, dy, side ? a : b, e);
    } else {
        j.g = &g;
        j.n = dsc_tensor_n_elems(dy);
        make_nest(&j.nest, dy, a, b);
        dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), slope_tile, &j);
        st = DSC_OK;
    }
    if (st == DSC_OK)
        st = sum_into(d, dx, &g, 1, e);
    dsc_tensor_clear(&g);
    return st;
}
