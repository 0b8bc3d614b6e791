/* Optimizer steps and the norm of gradients. */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

struct optim_job {
    const struct dsc_kernels *kernels;
    const struct dsc_adamw *adamw;
    const struct dsc_sgd *sgd;
    float *w, *m, *v;
    const float *g;
    int64_t n;
};

static void adamw_tile(void *ctx, int64_t tile)
{
    const struct optim_job *j = ctx;
    const struct dsc_adamw *p = j->adamw;
    const int64_t i = tile * DSC_CPU_TILE, n = dsc_cpu_tile_end(tile, j->n) - i;
    const struct dsc_adamw_step s = {.learning_rate = (float)p->lr,
                                     .beta1 = (float)p->beta1,
                                     .beta2 = (float)p->beta2,
                                     .epsilon = (float)p->eps,
                                     .decay = (float)p->decay,
                                     .correction1 = (float)p->c1,
                                     .correction2 = (float)p->c2,
                                     .grad_scale = (float)p->grad_scale};

    j->kernels->adamw_f32(j->w + i, j->m + i, j->v + i, j->g + i, &s, n);
}

static void sgd_tile(void *ctx, int64_t tile)
{
    const struct optim_job *j = ctx;
    const struct dsc_sgd *p = j->sgd;
    const int64_t i = tile * DSC_CPU_TILE, n = dsc_cpu_tile_end(tile, j->n) - i;
    const struct dsc_sgd_step s = {.learning_rate = (float)p->lr,
                                   .momentum = (float)p->momentum,
                                   .decay = (float)p->decay,
                                   .grad_scale = (float)p->grad_scale};

    j->kernels->sgd_f32(j->w + i, j->m + i, j->g + i, &s, n);
}

enum dsc_status dsc_cpu_adamw(struct dsc_device *d, const struct dsc_adamw *p,
                              const struct dsc_tensor *w, const struct dsc_tensor *m,
                              const struct dsc_tensor *v, const struct dsc_tensor *g,
                              struct dsc_err *e)
{
    struct optim_job j = {.kernels = d->kernels,
                          .adamw = p,
                          .w = w->data,
                          .m = m->data,
                          .v = v->data,
                          .g = g->data,
                          .n = dsc_tensor_n_elems(w)};

    if (w->dtype != DSC_F32)
        return dsc_cpu_no_dtype("adamw", w, e);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), adamw_tile, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_sgd(struct dsc_device *d, const struct dsc_sgd *p,
                            const struct dsc_tensor *w, const struct dsc_tensor *m,
                            const struct dsc_tensor *g, struct dsc_err *e)
{
    struct optim_job j = {.kernels = d->kernels,
                          .sgd = p,
                          .w = w->data,
                          .m = m->data,
                          .g = g->data,
                          .n = dsc_tensor_n_elems(w)};

    if (w->dtype != DSC_F32)
        return dsc_cpu_no_dtype("sgd", w, e);
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), sgd_tile, &j);
    return DSC_OK;
}

enum { SQUARES_LANES = 8 };

enum dsc_status dsc_cpu_sum_squares(struct dsc_device *d, double *sum, const struct dsc_tensor *x,
                                    struct dsc_err *e)
{
    const int64_t n = dsc_tensor_n_elems(x);
    const float *v = x->data;
    double lane[SQUARES_LANES] = {0};
    int64_t i = 0;

    (void)d;
    if (x->dtype != DSC_F32)
        return dsc_cpu_no_dtype("sum_squares", x, e);
    for (; i + SQUARES_LANES <= n; i += SQUARES_LANES)
        for (int l = 0; l < SQUARES_LANES; l++)
            lane[l] += (double)v[i + l] * (double)v[i + l];
    for (; i < n; i++)
        lane[0] += (double)v[i] * (double)v[i];
    *sum =
        ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
    return DSC_OK;
}
