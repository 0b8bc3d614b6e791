/* Optimizer steps and the norm of gradients. */
#include "device/cpu/cpu.h"

#include <math.h>

struct optim_job {
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
    const int64_t end = dsc_cpu_tile_end(tile, j->n);
    const float b1 = (float)p->beta1, b2 = (float)p->beta2, scale = (float)p->grad_scale;
    const float step = (float)(p->lr / p->c1), rsqrt_c2 = (float)(1 / sqrt(p->c2));
    const float eps = (float)p->eps, keep = (float)(1 - p->lr * p->decay);

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        const float g = j->g[i] * scale;

        j->m[i] = b1 * j->m[i] + (1 - b1) * g;
        j->v[i] = b2 * j->v[i] + (1 - b2) * g * g;
        j->w[i] = keep * j->w[i] - step * j->m[i] / (sqrtf(j->v[i]) * rsqrt_c2 + eps);
    }
}

static void sgd_tile(void *ctx, int64_t tile)
{
    const struct optim_job *j = ctx;
    const struct dsc_sgd *p = j->sgd;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);
    const float momentum = (float)p->momentum, decay = (float)p->decay;
    const float scale = (float)p->grad_scale, lr = (float)p->lr;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        j->m[i] = momentum * j->m[i] + (j->g[i] * scale + decay * j->w[i]);
        j->w[i] -= lr * j->m[i];
    }
}

enum dsc_status dsc_cpu_adamw(struct dsc_device *d, const struct dsc_adamw *p,
                              const struct dsc_tensor *w, const struct dsc_tensor *m,
                              const struct dsc_tensor *v, const struct dsc_tensor *g,
                              struct dsc_err *e)
{
    struct optim_job j = {.adamw = p,
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
    struct optim_job j = {
        .sgd = p, .w = w->data, .m = m->data, .g = g->data, .n = dsc_tensor_n_elems(w)};

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
