/*
 * Integer matrix products on packed weights. Activations of 16 bits are two planes of bytes, each
 * multiplied by the kernel of 8 bits, and their sums joined: exact, where a sum of 16-bit products
 * would leave 32 bits.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

static void multiply(const struct dsc_kernels *kernels, const void *ctx,
                     const struct dsc_cpu_tile *t)
{
    struct dsc_qgemm q = *(const struct dsc_qgemm *)ctx;

    q.m = t->m;
    q.n = t->n;
    q.a = (const char *)q.a + t->row * q.a_step;
    q.b += t->col / DSC_QGEMM_PANEL * dsc_qgemm_panel_bytes(q.k);
    q.col_sum += t->col;
    q.b_scale += t->col * q.b_scale_step;
    q.bias = q.bias ? q.bias + t->col : NULL;
    q.y = t->y;
    q.y_step = t->y_step;
    kernels->qgemm(&q);
}

/* ---- activations of 16 bits ---- */

enum { WIDE_ROWS = 16, WIDE_COLS = 192 };

struct wide_product {
    struct dsc_qgemm low, high; /* by their a */
    struct dsc_split_sums join; /* what all rows share */
};

static void multiply_wide(const struct dsc_kernels *kernels, const void *ctx,
                          const struct dsc_cpu_tile *t)
{
    const struct wide_product *whole = ctx;
    struct wide_product w = *whole;
    struct dsc_qgemm *parts[2] = {&w.low, &w.high};
    int32_t sums[2][WIDE_ROWS * WIDE_COLS];

    w.join.col_sum += t->col;
    w.join.b_scale += t->col * w.join.b_scale_step;
    w.join.bias = w.join.bias ? w.join.bias + t->col : NULL;
    for (int64_t r = 0; r < t->m; r += WIDE_ROWS) {
        const int64_t n_rows = t->m - r < WIDE_ROWS ? t->m - r : WIDE_ROWS;

        for (int i = 0; i < 2; i++) {
            struct dsc_qgemm q = *parts[i];

            q.m = n_rows;
            q.n = t->n;
            q.a = (const char *)q.a + (t->row + r) * q.a_step;
            q.b += t->col / DSC_QGEMM_PANEL * dsc_qgemm_panel_bytes(q.k);
            q.col_sum += t->col;
            q.acc = sums[i];
            q.y_step = t->n;
            kernels->qgemm(&q);
        }
        for (int64_t i = 0; i < n_rows; i++) {
            w.join.low = sums[0] + i * t->n;
            w.join.high = sums[1] + i * t->n;
            kernels->join_sums(t->y + (r + i) * t->y_step, &w.join, t->n);
        }
    }
}

struct split_job {
    const uint16_t *x;
    uint8_t *low, *high;
    int64_t n;
};

static void split_tile(void *ctx, int64_t tile)
{
    const struct split_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        j->low[i] = (uint8_t)(j->x[i] & 0xff);
        j->high[i] = (uint8_t)(j->x[i] >> 8);
    }
}

enum dsc_status dsc_cpu_qgemm_wide(struct dsc_device *d, const struct dsc_qgemm_spec *spec,
                                   const struct dsc_tensor *y, const struct dsc_tensor *x,
                                   const struct dsc_tensor *planes, const struct dsc_tensor *packed,
                                   const struct dsc_tensor *col_sum,
                                   const struct dsc_tensor *w_scale, const struct dsc_tensor *bias,
                                   const struct dsc_epilogue *ep, struct dsc_err *e)
{
    static const int32_t no_zero = 0;
    const int64_t n = spec->m * spec->k;
    struct split_job split = {x->data, planes->data, (uint8_t *)planes->data + n, n};
    const struct dsc_qgemm part = {.k = spec->k,
                                   .a_step = spec->k,
                                   .b = packed->data,
                                   .col_sum = col_sum->data,
                                   .a_zero = &no_zero};
    struct wide_product w = {.low = part,
                             .high = part,
                             .join = {.col_sum = col_sum->data,
                                      .zero = spec->x_zero,
                                      .a_scale = spec->x_scale,
                                      .b_scale = w_scale->data,
                                      .b_scale_step = dsc_tensor_n_elems(w_scale) > 1,
                                      .bias = bias ? bias->data : NULL}};
    const struct dsc_cpu_product product = {spec->m, spec->n, multiply_wide, &w};

    if (!dsc_is_wide_code(x->dtype))
        return dsc_cpu_no_dtype("qgemm_wide", x, e);
    w.low.a = split.low;
    w.high.a = split.high;
    w.high.a_is_signed = x->dtype == DSC_I16;
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(n), split_tile, &split);
    return dsc_cpu_product(d, "qgemm_wide", &product, ep, y, e);
}

/* ---- activations of 8 bits ---- */

enum dsc_status dsc_cpu_qgemm_packed(struct dsc_device *d, const struct dsc_qgemm_spec *spec,
                                     const struct dsc_tensor *y, const struct dsc_tensor *x,
                                     const struct dsc_tensor *packed,
                                     const struct dsc_tensor *col_sum,
                                     const struct dsc_tensor *w_scale,
                                     const struct dsc_tensor *bias, const struct dsc_epilogue *ep,
                                     struct dsc_err *e)
{
    const struct dsc_qgemm whole = {.k = spec->k,
                                    .a = x->data,
                                    .a_step = spec->k,
                                    .a_is_signed = x->dtype == DSC_I8,
                                    .b = packed->data,
                                    .col_sum = col_sum->data,
                                    .a_zero = &spec->x_zero,
                                    .a_scale = &spec->x_scale,
                                    .b_scale = w_scale->data,
                                    .b_scale_step = dsc_tensor_n_elems(w_scale) > 1,
                                    .bias = bias ? bias->data : NULL};
    const struct dsc_cpu_product product = {spec->m, spec->n, multiply, &whole};

    if (x->dtype != DSC_U8 && x->dtype != DSC_I8)
        return dsc_cpu_no_dtype("qgemm_packed", x, e);
    return dsc_cpu_product(d, "qgemm_packed", &product, ep, y, e);
}
