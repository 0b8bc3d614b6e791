/*
 * add_norm: residual sum, layer normalization and quantization of a row in one visit, with the
 * kernels that the three primitives run.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

struct add_norm_job {
    const struct dsc_kernels *kernels;
    const struct dsc_norm_spec *s;
    const struct dsc_epilogue *ep;
    float *y;
    const float *x, *residual, *gain, *bias;
    char *codes;
    enum dsc_dtype code;
    int64_t rows_per_tile;
};

static void add_norm_tile(void *ctx, int64_t tile)
{
    const struct add_norm_job *j = ctx;
    const int64_t end = (tile + 1) * j->rows_per_tile, n = j->s->n;

    for (int64_t r = tile * j->rows_per_tile; r < end && r < j->s->n_rows; r++) {
        const float *x = j->x + r * n;
        float *y = j->y + r * n, mean, inv;

        if (j->residual) {
            j->kernels->add_f32(y, x, j->residual + r * n, n);
            x = y;
        }
        j->kernels->layer_norm_f32(y, &mean, &inv, x, j->gain, j->bias, (float)j->s->epsilon, n);
        if (j->codes)
            dsc_cpu_finish_row(j->kernels, j->ep, j->code, j->codes + r * n, y, 0, n);
    }
}

enum dsc_status dsc_cpu_add_norm(struct dsc_device *d, const struct dsc_norm_spec *spec,
                                 const struct dsc_tensor *y, const struct dsc_tensor *codes,
                                 const struct dsc_tensor *x, const struct dsc_tensor *residual,
                                 const struct dsc_tensor *gain, const struct dsc_tensor *bias,
                                 const struct dsc_epilogue *ep, struct dsc_err *e)
{
    struct add_norm_job j = {.kernels = d->kernels,
                             .s = spec,
                             .ep = ep,
                             .y = y->data,
                             .x = x->data,
                             .gain = gain->data,
                             .rows_per_tile = DSC_CPU_TILE / (spec->n + 1) + 1};

    if (x->dtype != DSC_F32)
        return dsc_cpu_no_dtype("add_norm", x, e);
    if (codes && !dsc_is_activation_code(codes->dtype))
        return dsc_cpu_no_dtype("add_norm", codes, e);
    if (spec->n == 0)
        return DSC_OK;
    j.residual = residual ? residual->data : NULL;
    j.bias = bias ? bias->data : NULL;
    j.codes = codes ? codes->data : NULL;
    j.code = codes ? codes->dtype : DSC_F32;
    dsc_parallel_for(d->pool, (spec->n_rows + j.rows_per_tile - 1) / j.rows_per_tile, add_norm_tile,
                     &j);
    return DSC_OK;
}
