/* Ternary and binary weights: signs times the mean magnitude of those that are kept. */
#include "device/cpu/cpu.h"

#include <math.h>

enum { SIGN_COLS = 256 }; /* channels of a tile where they are neighbours */

struct sign_job {
    double threshold;
    struct dsc_axis_view v;
    const struct dsc_tensor *y, *x;
    int64_t n_channels; /* of a tile */
};

static double value(const struct dsc_tensor *t, int64_t i)
{
    return t->dtype == DSC_F32 ? (double)((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static void put(const struct sign_job *j, int64_t i, double v)
{
    if (j->y->dtype == DSC_F32)
        ((float *)j->y->data)[i] = (float)v;
    else
        ((double *)j->y->data)[i] = v;
}

/* Channels of a tile: all their elements, in order, whatever the tile is. */
struct sign_sums {
    int64_t first, n;
    double cut[SIGN_COLS]; /* a sum of magnitudes, then the threshold */
    double scale[SIGN_COLS], n_kept[SIGN_COLS];
};

static int64_t row_of(const struct sign_job *j, const struct sign_sums *t, int64_t o, int64_t k)
{
    return (o * j->v.n + t->first + k) * j->v.inner;
}

static void find_cuts(const struct sign_job *j, struct sign_sums *t)
{
    for (int64_t o = 0; o < j->v.outer; o++)
        for (int64_t k = 0; k < t->n; k++)
            for (int64_t i = row_of(j, t, o, k), end = i + j->v.inner; i < end; i++)
                t->cut[k] += fabs(value(j->x, i));
    for (int64_t k = 0; k < t->n; k++)
        t->cut[k] = j->threshold * t->cut[k] / (double)(j->v.outer * j->v.inner);
}

static void find_scales(const struct sign_job *j, struct sign_sums *t)
{
    for (int64_t o = 0; o < j->v.outer; o++)
        for (int64_t k = 0; k < t->n; k++)
            for (int64_t i = row_of(j, t, o, k), end = i + j->v.inner; i < end; i++) {
                const double x = value(j->x, i);

                if (dsc_sign_code(x, t->cut[k]) == 0)
                    continue;
                t->scale[k] += fabs(x);
                t->n_kept[k]++;
            }
    for (int64_t k = 0; k < t->n; k++)
        t->scale[k] = dsc_sign_scale(t->scale[k], t->n_kept[k]);
}

/* NaN stays NaN, for training must notice it. */
static void write_signs(const struct sign_job *j, const struct sign_sums *t)
{
    for (int64_t o = 0; o < j->v.outer; o++)
        for (int64_t k = 0; k < t->n; k++)
            for (int64_t i = row_of(j, t, o, k), end = i + j->v.inner; i < end; i++) {
                const double x = value(j->x, i);

                put(j, i, isnan(x) ? x : dsc_sign_code(x, t->cut[k]) * t->scale[k]);
            }
}

static void sign_tile(void *ctx, int64_t tile)
{
    const struct sign_job *j = ctx;
    const int64_t first = tile * j->n_channels, left = j->v.n - first;
    struct sign_sums t = {.first = first, .n = left < j->n_channels ? left : j->n_channels};

    find_cuts(j, &t);
    find_scales(j, &t);
    write_signs(j, &t);
}

enum dsc_status dsc_cpu_scaled_sign(struct dsc_device *d, double threshold, struct dsc_axis_view v,
                                    const struct dsc_tensor *y, const struct dsc_tensor *x,
                                    struct dsc_err *e)
{
    struct sign_job j = {threshold, v, y, x, v.inner == 1 ? SIGN_COLS : 1};

    if (x->dtype != DSC_F32 && x->dtype != DSC_F64)
        return dsc_cpu_no_dtype("scaled_sign", x, e);
    dsc_parallel_for(d->pool, (v.n + j.n_channels - 1) / j.n_channels, sign_tile, &j);
    return DSC_OK;
}
