/* Integer matrix products on packed weights. */
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
