/*
 * Products of f32 on packed weights. K of a tile is cut, too, so that a panel and the rows that
 * meet it stay in the second-level cache; a sum goes on where it was, which changes no bit.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

enum { SGEMM_DEPTH = 768 };

static void multiply(const struct dsc_kernels *kernels, const void *ctx,
                     const struct dsc_cpu_tile *t)
{
    const struct dsc_sgemm_packed *whole = ctx;
    const int64_t k = whole->k;
    const float *bias = whole->bias ? whole->bias + t->col : NULL;
    struct dsc_sgemm_packed q = *whole;

    q.m = t->m;
    q.n = t->n;
    q.a += t->row * q.a_step;
    q.b += t->col / DSC_SGEMM_PANEL * q.b_panel_step;
    q.y = t->y;
    q.y_step = t->y_step;
    for (int64_t p = 0; p == 0 || p < k; p += SGEMM_DEPTH) {
        q.k = k - p < SGEMM_DEPTH ? k - p : SGEMM_DEPTH;
        q.is_adding = p > 0;
        q.bias = p + q.k == k ? bias : NULL;
        kernels->sgemm_packed(&q);
        q.a += q.k;
        q.b += q.k * q.b_step;
    }
}

enum dsc_status dsc_cpu_sgemm_packed(struct dsc_device *d, const struct dsc_sgemm_spec *spec,
                                     const struct dsc_tensor *y, const struct dsc_tensor *x,
                                     const struct dsc_tensor *packed, const struct dsc_tensor *bias,
                                     const struct dsc_epilogue *ep, struct dsc_err *e)
{
    const struct dsc_sgemm_packed whole = {.k = spec->k,
                                           .a = x->data,
                                           .a_step = spec->k,
                                           .b = packed->data,
                                           .b_step = DSC_SGEMM_PANEL,
                                           .b_panel_step = DSC_SGEMM_PANEL * spec->k,
                                           .alpha = 1,
                                           .bias = bias ? bias->data : NULL};
    const struct dsc_cpu_product product = {spec->m, spec->n, multiply, &whole};

    if (x->dtype != DSC_F32)
        return dsc_cpu_no_dtype("sgemm_packed", x, e);
    return dsc_cpu_product(d, "sgemm_packed", &product, ep, y, e);
}
