/*
 * gather, scatter, and the two ways to make row numbers of index tensors. Indices are data: they
 * are checked before anything moves, whatever the graph promised.
 */
#include "device/cpu/cpu.h"

#include <inttypes.h>
#include <string.h>

static int64_t index_at(const struct dsc_tensor *idx, int64_t i)
{
    return idx->dtype == DSC_I64 ? ((const int64_t *)idx->data)[i]
                                 : ((const int32_t *)idx->data)[i];
}

static int64_t from_start(int64_t v, int64_t n)
{
    return v < 0 ? v + n : v;
}

static enum dsc_status check_index(int64_t v, int64_t at, int64_t n, struct dsc_err *e)
{
    if (v >= -n && v < n)
        return DSC_OK;
    return dsc_fail(e, DSC_E_RANGE,
                    "index %" PRId64 " (element %" PRId64 " of the indices) is not in [%" PRId64
                    ", %" PRId64 ")",
                    v, at, -n, n);
}

static enum dsc_status check_indices(const struct dsc_tensor *idx, int64_t n, struct dsc_err *e)
{
    const int64_t n_idx = dsc_tensor_n_elems(idx);

    if (idx->dtype != DSC_I32 && idx->dtype != DSC_I64)
        return dsc_fail(e, DSC_E_TYPE, "indices are %s, not i32 or i64",
                        dsc_dtype_text(idx->dtype));
    for (int64_t i = 0; i < n_idx; i++)
        DSC_TRY(check_index(index_at(idx, i), i, n, e));
    return DSC_OK;
}

struct gather_job {
    struct dsc_axis_view v;
    enum dsc_scatter how;
    const struct dsc_tensor *y, *x, *idx;
    int64_t n_idx, per_tile;
    size_t row_bytes;
};

static void gather_tile(void *ctx, int64_t tile)
{
    const struct gather_job *j = ctx;
    const int64_t n = j->v.outer * j->n_idx, end = (tile + 1) * j->per_tile;
    const size_t row_bytes = j->row_bytes;
    char *y = (char *)j->y->data + (size_t)(tile * j->per_tile) * row_bytes;
    int64_t outer = tile * j->per_tile / j->n_idx, i = tile * j->per_tile % j->n_idx;

    for (int64_t r = tile * j->per_tile; r < end && r < n; r++, y += row_bytes) {
        const int64_t row = outer * j->v.n + from_start(index_at(j->idx, i), j->v.n);
        const char *x = (const char *)j->x->data + (size_t)row * row_bytes;

        if (row_bytes == 4) /* constant sizes are single moves */
            memcpy(y, x, 4);
        else if (row_bytes == 8)
            memcpy(y, x, 8);
        else
            memcpy(y, x, row_bytes);
        if (++i == j->n_idx) {
            i = 0;
            outer++;
        }
    }
}

enum dsc_status dsc_cpu_gather(struct dsc_device *d, struct dsc_axis_view v,
                               const struct dsc_tensor *y, const struct dsc_tensor *x,
                               const struct dsc_tensor *idx, struct dsc_err *e)
{
    struct gather_job j = {.v = v, .y = y, .x = x, .idx = idx, .n_idx = dsc_tensor_n_elems(idx)};
    int64_t n_rows;

    if (dsc_dtype_bits(x->dtype) < 8)
        return dsc_cpu_no_dtype("gather", x, e);
    DSC_TRY(check_indices(idx, v.n, e));
    n_rows = v.outer * j.n_idx;
    if (n_rows == 0 || v.inner == 0)
        return DSC_OK;
    j.row_bytes = dsc_dtype_bytes(x->dtype, v.inner);
    j.per_tile = DSC_CPU_TILE / v.inner + 1;
    dsc_parallel_for(d->pool, (n_rows + j.per_tile - 1) / j.per_tile, gather_tile, &j);
    return DSC_OK;
}

/* y[i] = y[i] meets u[i], n elements of type T_; sums and products in W_, which cannot overflow. */
#define MEET_ROW(T_, W_, sfx)                                                   \
    static void meet_##sfx(enum dsc_scatter how, T_ *y, const T_ *u, int64_t n) \
    {                                                                           \
        switch (how) {                                                          \
        case DSC_SCATTER_ADD:                                                   \
            for (int64_t i = 0; i < n; i++)                                     \
                y[i] = (T_)((W_)y[i] + (W_)u[i]);                               \
            break;                                                              \
        case DSC_SCATTER_MUL:                                                   \
            for (int64_t i = 0; i < n; i++)                                     \
                y[i] = (T_)((W_)y[i] * (W_)u[i]);                               \
            break;                                                              \
        case DSC_SCATTER_MAX:                                                   \
            for (int64_t i = 0; i < n; i++)                                     \
                y[i] = u[i] > y[i] || u[i] != u[i] ? u[i] : y[i];               \
            break;                                                              \
        default:                                                                \
            for (int64_t i = 0; i < n; i++)                                     \
                y[i] = u[i] < y[i] || u[i] != u[i] ? u[i] : y[i];               \
            break;                                                              \
        }                                                                       \
    }

MEET_ROW(float, float, f32)
MEET_ROW(double, double, f64)
MEET_ROW(int8_t, int, i8)
MEET_ROW(uint8_t, int, u8)
MEET_ROW(int16_t, int, i16)
MEET_ROW(uint16_t, uint32_t, u16)
MEET_ROW(uint32_t, uint32_t, u32)
MEET_ROW(uint64_t, uint64_t, u64)

/* Signed 32 and 64 bits wrap as unsigned ones do; only their order differs. */
static void meet_i32(enum dsc_scatter how, int32_t *y, const int32_t *u, int64_t n)
{
    if (how == DSC_SCATTER_ADD || how == DSC_SCATTER_MUL) {
        meet_u32(how, (uint32_t *)y, (const uint32_t *)u, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = (u[i] > y[i]) == (how == DSC_SCATTER_MAX) ? u[i] : y[i];
}

static void meet_i64(enum dsc_scatter how, int64_t *y, const int64_t *u, int64_t n)
{
    if (how == DSC_SCATTER_ADD || how == DSC_SCATTER_MUL) {
        meet_u64(how, (uint64_t *)y, (const uint64_t *)u, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = (u[i] > y[i]) == (how == DSC_SCATTER_MAX) ? u[i] : y[i];
}

static void meet(enum dsc_dtype dtype, enum dsc_scatter how, void *y, const void *u, int64_t n)
{
    switch (dtype) {
    case DSC_F32:
        meet_f32(how, y, u, n);
        break;
    case DSC_F64:
        meet_f64(how, y, u, n);
        break;
    case DSC_I8:
        meet_i8(how, y, u, n);
        break;
    case DSC_I16:
        meet_i16(how, y, u, n);
        break;
    case DSC_U16:
        meet_u16(how, y, u, n);
        break;
    case DSC_I32:
        meet_i32(how, y, u, n);
        break;
    case DSC_U32:
        meet_u32(how, y, u, n);
        break;
    case DSC_I64:
        meet_i64(how, y, u, n);
        break;
    case DSC_U64:
        meet_u64(how, y, u, n);
        break;
    default: /* U8; bool is refused for sums and products */
        meet_u8(how, y, u, n);
        break;
    }
}

/* A tile is a range of columns of one outer index: rows may repeat, so they stay in order. */
static void scatter_tile(void *ctx, int64_t tile)
{
    const struct gather_job *j = ctx;
    const int64_t per_outer = (j->v.inner + j->per_tile - 1) / j->per_tile;
    const int64_t outer = tile / per_outer, first = tile % per_outer * j->per_tile;
    const int64_t left = j->v.inner - first, n = left < j->per_tile ? left : j->per_tile;
    const size_t elem_bytes = dsc_dtype_bytes(j->y->dtype, 1);

    for (int64_t i = 0; i < j->n_idx; i++) {
        const int64_t row = outer * j->v.n + from_start(index_at(j->idx, i), j->v.n);
        char *y = (char *)j->y->data + (size_t)(row * j->v.inner + first) * elem_bytes;
        const size_t at = (size_t)((outer * j->n_idx + i) * j->v.inner + first) * elem_bytes;

        if (!j->x)
            memset(y, 0, (size_t)n * elem_bytes);
        else if (j->how == DSC_SCATTER_NONE)
            memcpy(y, (const char *)j->x->data + at, (size_t)n * elem_bytes);
        else
            meet(j->y->dtype, j->how, y, (const char *)j->x->data + at, n);
    }
}

enum dsc_status dsc_cpu_scatter(struct dsc_device *d, enum dsc_scatter how, struct dsc_axis_view v,
                                const struct dsc_tensor *y, const struct dsc_tensor *idx,
                                const struct dsc_tensor *u, struct dsc_err *e)
{
    struct gather_job j = {.v = v, .how = how, .y = y, .x = u, .idx = idx};

    if (dsc_dtype_bits(y->dtype) < 8 ||
        (y->dtype == DSC_BOOL && (how == DSC_SCATTER_ADD || how == DSC_SCATTER_MUL)))
        return dsc_cpu_no_dtype("scatter", y, e);
    if (dsc_cpu_is_half(y) && how != DSC_SCATTER_NONE) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, u}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(
            &w, dsc_cpu_scatter(d, how, v, dsc_cpu_wide(&w, 0), idx, dsc_cpu_wide(&w, 1), e));
    }
    DSC_TRY(check_indices(idx, v.n, e));
    j.n_idx = dsc_tensor_n_elems(idx);
    j.per_tile = 64;
    dsc_parallel_for(d->pool, v.outer * ((v.inner + j.per_tile - 1) / j.per_tile), scatter_tile,
                     &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_index_elements(struct dsc_device *d, int rank, const int64_t *dim, int axis,
                                       const struct dsc_tensor *flat, const struct dsc_tensor *idx,
                                       struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(idx);
    int64_t stride[DSC_MAX_RANK], *out = flat->data;

    (void)d;
    DSC_TRY(check_indices(idx, dim[axis], e));
    dsc_dense_strides(rank, dim, stride);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, at = from_start(index_at(idx, i), dim[axis]) * stride[axis];

        for (int k = rank - 1; k >= 0; k--) {
            if (k != axis)
                at += rest % idx->dim[k] * stride[k];
            rest /= idx->dim[k];
        }
        out[i] = at;
    }
    return DSC_OK;
}

enum dsc_status dsc_cpu_index_tuples(struct dsc_device *d, int rank, const int64_t *dim,
                                     int n_batch, const struct dsc_tensor *flat,
                                     const struct dsc_tensor *idx, struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(flat);
    const int depth = (int)idx->dim[idx->rank - 1];
    int64_t *out = flat->data, n_per_batch = 1, n_batches = 1;

    (void)d;
    (void)rank;
    if (idx->dtype != DSC_I32 && idx->dtype != DSC_I64)
        return dsc_fail(e, DSC_E_TYPE, "indices are %s, not i32 or i64",
                        dsc_dtype_text(idx->dtype));
    for (int k = 0; k < n_batch; k++)
        n_batches *= dim[k];
    n_per_batch = n_batches ? n / n_batches : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = n_batch ? i / n_per_batch : 0;

        for (int k = 0; k < depth; k++) {
            const int64_t v = index_at(idx, i * depth + k), size = dim[n_batch + k];

            DSC_TRY(check_index(v, i * depth + k, size, e));
            row = row * size + from_start(v, size);
        }
        out[i] = row;
    }
    return DSC_OK;
}
