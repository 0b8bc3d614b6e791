/*
 * quantize, dequantize, quant_range, requantize: between real numbers and codes. Tiles are even
 * ranges of elements, so that two tiles never share a byte of packed 4-bit codes.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

#include <math.h>

struct quant_job {
    const struct dsc_kernels *kernels;
    struct dsc_scale_map m;
    const struct dsc_tensor *y, *x, *scale, *zero;
    double low, high; /* of the codes */
    int64_t n_elems;
};

static void limits_of(enum dsc_dtype code, double *low, double *high)
{
    const int bits = dsc_dtype_bits(code);
    const bool is_signed = dsc_dtype_kind(code) == DSC_KIND_SIGNED;

    *high = ldexp(1, is_signed ? bits - 1 : bits) - 1;
    *low = is_signed ? -ldexp(1, bits - 1) : 0;
}

/* Of the element at index `flat`: where its scale is, and for how many elements it holds. */
static int64_t scale_at(const struct dsc_scale_map *m, int64_t flat, int64_t *n_same)
{
    const int64_t in = flat % m->inner, i = flat / m->inner % m->n, o = flat / m->inner / m->n;

    *n_same = m->si ? 1 : m->inner - in;
    if (m->so == 0 && m->sn == 0 && m->si == 0)
        *n_same = m->inner * m->n * m->outer - flat;
    return o * m->so + i / m->block * m->sn + in * m->si;
}

static double code_of(float x, float scale, double zero, double low, double high)
{
    const double v = (double)rintf(x / scale) + zero;

    return !(v > low) ? low : v > high ? high : v;
}

static void quantize_run(const struct quant_job *j, int64_t first, int64_t last, int64_t at)
{
    const float scale = ((const float *)j->scale->data)[at];
    const double zero = j->zero ? (double)dsc_tensor_get_i64(j->zero, at) : 0;
    struct dsc_tensor y = *j->y;
    const float *x = j->x->data;

    if (j->x->dtype == DSC_F32 && y.dtype == DSC_U8) {
        j->kernels->quantize_u8_f32((uint8_t *)y.data + first, x + first, scale, (int32_t)zero,
                                    last - first);
    } else if (j->x->dtype == DSC_F32 && y.dtype == DSC_I8) {
        j->kernels->quantize_s8_f32((int8_t *)y.data + first, x + first, scale, (int32_t)zero,
                                    last - first);
    } else if (j->x->dtype == DSC_F32 && y.dtype == DSC_U16) {
        j->kernels->quantize_u16_f32((uint16_t *)y.data + first, x + first, scale, (int32_t)zero,
                                     last - first);
    } else if (j->x->dtype == DSC_F32 && y.dtype == DSC_I16) {
        j->kernels->quantize_s16_f32((int16_t *)y.data + first, x + first, scale, (int32_t)zero,
                                     last - first);
    } else {
        for (int64_t i = first; i < last; i++)
            dsc_tensor_set_i64(
                &y, i,
                (int64_t)code_of((float)dsc_tensor_get_f64(j->x, i), scale, zero, j->low, j->high));
    }
}

/* Code i of packed 4-bit ones; `flip` is 8 for signed codes. */
static int32_t nibble(const uint8_t *b, int64_t i, int32_t flip)
{
    return ((b[i / 2] >> (i % 2 * 4) & 15) ^ flip) - flip;
}

static bool is_4_bit(const struct dsc_tensor *t)
{
    return t->dtype == DSC_U4 || t->dtype == DSC_I4;
}

static int64_t zero_place(const struct dsc_scale_map *m, int64_t flat, int64_t at)
{
    return m->zero_gap ? at + flat / m->inner / m->n * m->zero_gap : at;
}

static void dequantize_run(const struct quant_job *j, int64_t first, int64_t last, int64_t at)
{
    const float scale = ((const float *)j->scale->data)[at];
    const int64_t zero =
        j->zero ? dsc_tensor_get_i64(j->zero, zero_place(&j->m, first, at)) : j->m.no_zero;
    const int32_t flip = j->x->dtype == DSC_I4 ? 8 : 0;
    float *y = j->y->data;

    if (j->x->dtype == DSC_I8)
        j->kernels->dequantize_s8_f32(y + first, (const int8_t *)j->x->data + first, scale,
                                      (int32_t)zero, last - first);
    else if (j->x->dtype == DSC_U8)
        j->kernels->dequantize_u8_f32(y + first, (const uint8_t *)j->x->data + first, scale,
                                      (int32_t)zero, last - first);
    else if (is_4_bit(j->x))
        for (int64_t i = first; i < last; i++)
            y[i] = (float)(nibble(j->x->data, i, flip) - (int32_t)zero) * scale;
    else if (j->x->dtype == DSC_U16)
        for (int64_t i = first; i < last; i++)
            y[i] = (float)(((const uint16_t *)j->x->data)[i] - (int32_t)zero) * scale;
    else if (j->x->dtype == DSC_I16)
        for (int64_t i = first; i < last; i++)
            y[i] = (float)(((const int16_t *)j->x->data)[i] - (int32_t)zero) * scale;
    else
        for (int64_t i = first; i < last; i++)
            y[i] = (float)(dsc_tensor_get_i64(j->x, i) - zero) * scale;
}

/* Neighbours first..last with a scale each, from `at` on. */
static void dequantize_cols(const struct quant_job *j, int64_t first, int64_t last, int64_t at)
{
    const float *scale = (const float *)j->scale->data + at;
    const int32_t flip = j->x->dtype == DSC_I4 ? 8 : 0;
    float *y = (float *)j->y->data + first;

    if (j->x->dtype == DSC_I8)
        j->kernels->dequantize_cols_s8_f32(y, (const int8_t *)j->x->data + first, scale,
                                           j->zero ? (const int8_t *)j->zero->data + at : NULL,
                                           last - first);
    else if (j->x->dtype == DSC_U8)
        j->kernels->dequantize_cols_u8_f32(y, (const uint8_t *)j->x->data + first, scale,
                                           j->zero ? (const uint8_t *)j->zero->data + at : NULL,
                                           last - first);
    else if (is_4_bit(j->x))
        for (int64_t i = 0; i < last - first; i++)
            y[i] = (float)(nibble(j->x->data, first + i, flip) -
                           (j->zero ? nibble(j->zero->data, at + i, flip) : 0)) *
                   scale[i];
    else
        for (int64_t i = 0; i < last - first; i++)
            y[i] = (float)(dsc_tensor_get_i64(j->x, first + i) -
                           (j->zero ? dsc_tensor_get_i64(j->zero, at + i) : 0)) *
                   scale[i];
}

/* Rows of the last axis, or of the axes behind a blocked one, in which every element has its own.
 */
static void dequantize_cols_tile(void *ctx, int64_t tile)
{
    const struct quant_job *j = ctx;
    const struct dsc_scale_map *m = &j->m;
    const int64_t end = dsc_cpu_tile_end(tile, j->n_elems), row = m->si ? m->inner : m->n;
    int64_t row_end, n_same;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i = row_end) {
        row_end = (i / row + 1) * row;
        row_end = row_end < end ? row_end : end;
        dequantize_cols(j, i, row_end, scale_at(m, i, &n_same));
    }
}

static bool is_by_column(const struct quant_job *j)
{
    const struct dsc_scale_map *m = &j->m;

    if (m->zero_gap || m->no_zero)
        return false;
    return m->si == 1 || (m->inner == 1 && m->so == 0 && m->sn == 1 && m->block == 1 && m->n > 1);
}

static void each_run(const struct quant_job *j, int64_t tile,
                     void (*run)(const struct quant_job *, int64_t, int64_t, int64_t))
{
    const int64_t end = dsc_cpu_tile_end(tile, j->n_elems);
    int64_t n_same;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i += n_same) {
        const int64_t at = scale_at(&j->m, i, &n_same);

        n_same = n_same < end - i ? n_same : end - i;
        run(j, i, i + n_same, at);
    }
}

static void quantize_tile(void *ctx, int64_t tile)
{
    each_run(ctx, tile, quantize_run);
}

static void dequantize_tile(void *ctx, int64_t tile)
{
    each_run(ctx, tile, dequantize_run);
}

enum dsc_status dsc_cpu_quantize(struct dsc_device *d, const struct dsc_scale_map *map,
                                 const struct dsc_tensor *y, const struct dsc_tensor *x,
                                 const struct dsc_tensor *scale, const struct dsc_tensor *zero,
                                 struct dsc_err *e)
{
    struct quant_job j = {
        .kernels = d->kernels, .m = *map, .y = y, .x = x, .scale = scale, .zero = zero};

    if (dsc_cpu_is_half(x) || dsc_cpu_is_half(scale)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {x, scale}};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(
            &w, dsc_cpu_quantize(d, map, y, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1), zero, e));
    }
    if (scale->dtype != DSC_F32)
        return dsc_cpu_no_dtype("quantize by a scale", scale, e);
    limits_of(y->dtype, &j.low, &j.high);
    dsc_cpu_clear_padding(y);
    j.n_elems = dsc_tensor_n_elems(x);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n_elems), quantize_tile, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_dequantize(struct dsc_device *d, const struct dsc_scale_map *map,
                                   const struct dsc_tensor *y, const struct dsc_tensor *x,
                                   const struct dsc_tensor *scale, const struct dsc_tensor *zero,
                                   struct dsc_err *e)
{
    struct quant_job j = {
        .kernels = d->kernels, .m = *map, .y = y, .x = x, .scale = scale, .zero = zero};

    if (dsc_cpu_is_half(y) || dsc_cpu_is_half(scale)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, scale}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(
            &w, dsc_cpu_dequantize(d, map, dsc_cpu_wide(&w, 0), x, dsc_cpu_wide(&w, 1), zero, e));
    }
    if (scale->dtype != DSC_F32)
        return dsc_cpu_no_dtype("dequantize by a scale", scale, e);
    j.n_elems = dsc_tensor_n_elems(x);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n_elems),
                     is_by_column(&j) ? dequantize_cols_tile : dequantize_tile, &j);
    return DSC_OK;
}

struct range_job {
    const float *x;
    int64_t n;
    float *low, *high; /* of each tile */
};

static void range_tile(void *ctx, int64_t tile)
{
    const struct range_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);
    float low = 0, high = 0;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        low = j->x[i] < low ? j->x[i] : low;
        high = j->x[i] > high ? j->x[i] : high;
    }
    j->low[tile] = low;
    j->high[tile] = high;
}

enum dsc_status dsc_cpu_quant_range(struct dsc_device *d, const struct dsc_tensor *scale,
                                    const struct dsc_tensor *zero, const struct dsc_tensor *x,
                                    struct dsc_err *e)
{
    struct range_job j = {.x = x->data, .n = dsc_tensor_n_elems(x)};
    const int64_t n_tiles = dsc_cpu_n_tiles(j.n);
    float low = 0, high = 0, step;

    if (x->dtype != DSC_F32 || scale->dtype != DSC_F32 || zero->dtype != DSC_U8)
        return dsc_cpu_no_dtype("quant_range", x, e);
    j.low = dsc_heap_alloc(2 * (size_t)n_tiles + 1, sizeof *j.low, e);
    if (!j.low)
        return DSC_E_MEMORY;
    j.high = j.low + n_tiles;
    dsc_parallel_for(d->pool, n_tiles, range_tile, &j);
    for (int64_t t = 0; t < n_tiles; t++) {
        low = j.low[t] < low ? j.low[t] : low;
        high = j.high[t] > high ? j.high[t] : high;
    }
    dsc_heap_free(j.low);
    step = (high - low) / 255;
    if (!(step > 0)) /* all zeros: any scale will do */
        step = 1;
    *(float *)scale->data = step;
    *(uint8_t *)zero->data = (uint8_t)code_of(-low, step, 0, 0, 255);
    return DSC_OK;
}

struct requant_job {
    const struct dsc_tensor *y, *acc, *sa, *sb, *sy, *zero;
    int64_t m, n, n_elems, n_sa, n_sb, n_sy, n_zero;
    double low, high;
};

/* One value, one per row (of a matrix, or of all batches), or one per column. */
static int64_t row_of(int64_t n_values, int64_t row)
{
    return n_values == 1 ? 0 : row % n_values;
}

static void requant_tile(void *ctx, int64_t tile)
{
    const struct requant_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n_elems);
    const float *sa = j->sa->data, *sb = j->sb->data, *sy = j->sy->data;
    struct dsc_tensor y = *j->y;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        const int64_t row = i / j->n, col = i % j->n, batch = row / j->m;
        const int64_t at_b = j->n_sb == 1 ? 0 : (batch * j->n + col) % j->n_sb;
        const float factor = sa[row_of(j->n_sa, row)] * sb[at_b] / sy[row_of(j->n_sy, row)];
        const float v = (float)((const int32_t *)j->acc->data)[i] * factor;
        const double zero =
            j->zero ? (double)dsc_tensor_get_i64(j->zero, row_of(j->n_zero, row)) : 0;

        dsc_tensor_set_i64(&y, i, (int64_t)code_of(v, 1, zero, j->low, j->high));
    }
}

enum dsc_status dsc_cpu_requantize(struct dsc_device *d, int64_t m, int64_t n,
                                   const struct dsc_tensor *y, const struct dsc_tensor *acc,
                                   const struct dsc_tensor *sa, const struct dsc_tensor *sb,
                                   const struct dsc_tensor *sy, const struct dsc_tensor *zero,
                                   struct dsc_err *e)
{
    struct requant_job j = {
        .y = y, .acc = acc, .sa = sa, .sb = sb, .sy = sy, .zero = zero, .m = m, .n = n};

    if (dsc_cpu_is_half(sa) || dsc_cpu_is_half(sb) || dsc_cpu_is_half(sy)) {
        struct dsc_cpu_wide w = {.n = 3, .arg = {sa, sb, sy}};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_requantize(d, m, n, y, acc, dsc_cpu_wide(&w, 0),
                                                     dsc_cpu_wide(&w, 1), dsc_cpu_wide(&w, 2), zero,
                                                     e));
    }
    if (sa->dtype != DSC_F32 || sb->dtype != DSC_F32 || sy->dtype != DSC_F32)
        return dsc_cpu_no_dtype("requantize by a scale", sa, e);
    limits_of(y->dtype, &j.low, &j.high);
    j.n_elems = dsc_tensor_n_elems(acc);
    j.n_sa = dsc_tensor_n_elems(sa);
    j.n_sb = dsc_tensor_n_elems(sb);
    j.n_sy = dsc_tensor_n_elems(sy);
    j.n_zero = zero ? dsc_tensor_n_elems(zero) : 0;
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n_elems), requant_tile, &j);
    return DSC_OK;
}
