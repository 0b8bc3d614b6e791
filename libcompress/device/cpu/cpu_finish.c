/*
 * Epilogues: activation, factors and quantization of rows that are still in the cache. Every step
 * is the kernel that its own primitive runs, element by element, so the bits are those of the
 * steps one after another.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

#include <string.h>

enum { FINISH_BLOCK = 256 };

struct finish_job {
    const struct dsc_kernels *kernels;
    const struct dsc_epilogue *ep;
    enum dsc_dtype out;
    char *y;
    const float *x;
    int64_t n, n_rows, rows_per_tile;
};

/* At most FINISH_BLOCK columns; returns where the result stands. */
static const float *finish_floats(const struct dsc_kernels *kernels, const struct dsc_epilogue *ep,
                                  float *to, const float *x, int64_t first, int64_t n)
{
    if (ep->act >= 0) {
        dsc_cpu_map_f32(kernels, (enum dsc_map_fn)ep->act, to, x, n);
        x = to;
    }
    if (ep->mul) {
        kernels->mul_f32(to, x, (const float *)ep->mul->data + first, n);
        x = to;
    }
    return x;
}

void dsc_cpu_finish_row(const struct dsc_kernels *kernels, const struct dsc_epilogue *ep,
                        enum dsc_dtype out, void *y, const float *x, int64_t first, int64_t n)
{
    float block[FINISH_BLOCK];

    for (int64_t i = 0; i < n; i += FINISH_BLOCK) {
        const int64_t left = n - i < FINISH_BLOCK ? n - i : FINISH_BLOCK;
        float *to = out == DSC_F32 ? (float *)y + i : block;
        const float *v = finish_floats(kernels, ep, to, x + i, first + i, left);

        if (out == DSC_U8)
            kernels->quantize_u8_f32((uint8_t *)y + i, v, ep->scale, ep->zero, left);
        else if (out == DSC_I8)
            kernels->quantize_s8_f32((int8_t *)y + i, v, ep->scale, ep->zero, left);
        else if (out == DSC_U16)
            kernels->quantize_u16_f32((uint16_t *)y + i, v, ep->scale, ep->zero, left);
        else if (out == DSC_I16)
            kernels->quantize_s16_f32((int16_t *)y + i, v, ep->scale, ep->zero, left);
        else if (v != to)
            memcpy(to, v, (size_t)left * sizeof *to);
    }
}

static void finish_tile(void *ctx, int64_t tile)
{
    const struct finish_job *j = ctx;
    const int64_t end = (tile + 1) * j->rows_per_tile;
    const int64_t size = (int64_t)dsc_dtype_bytes(j->out, 1);

    for (int64_t r = tile * j->rows_per_tile; r < end && r < j->n_rows; r++)
        dsc_cpu_finish_row(j->kernels, j->ep, j->out, j->y + r * j->n * size, j->x + r * j->n, 0,
                           j->n);
}

enum dsc_status dsc_cpu_finish(struct dsc_device *d, const struct dsc_epilogue *ep, int64_t n,
                               const struct dsc_tensor *y, const struct dsc_tensor *x,
                               struct dsc_err *e)
{
    struct finish_job j = {d->kernels, ep, y->dtype, y->data, x->data, n, 0, 0};

    if (x->dtype != DSC_F32 || (y->dtype != DSC_F32 && !dsc_is_activation_code(y->dtype)))
        return dsc_cpu_no_dtype("finish", x->dtype != DSC_F32 ? x : y, e);
    if (n == 0)
        return DSC_OK;
    j.n_rows = dsc_tensor_n_elems(x) / n;
    j.rows_per_tile = DSC_CPU_TILE / n + 1;
    dsc_parallel_for(d->pool, (j.n_rows + j.rows_per_tile - 1) / j.rows_per_tile, finish_tile, &j);
    return DSC_OK;
}
