/* Scales of weights of few bits: the least weighted squared error. */
#include "dsc/linalg.h"
#include "dsc/pool.h"
#include "weights.h"

#include <math.h>

/* Ranges are shrunk to 1, 0.98, .. of the full one: below a half nothing was ever best. */
enum { N_SHRINKS = 26, N_REFITS = 2 };
#define SHRINK_STEP 0.02

struct fit {
    const struct dsc_device *dev;
    const float *v, *c; /* values; what their errors weigh, or NULL */
    int64_t n;
    float low_code, high_code; /* of code - zero */
    float scale, zero;
    double error;
};

static bool try_scale(struct fit *f, float scale, float zero, float n_codes)
{
    double e;

    if (!(scale >= DSC_WEIGHT_MIN_SCALE) || !isfinite(scale))
        return false;
    e = (double)dsc_linalg_code_error(f->dev, f->v, f->c, f->n, scale, f->low_code - zero,
                                      n_codes - zero);
    if (!(e < f->error))
        return false;
    f->error = e;
    f->scale = scale;
    f->zero = zero;
    return true;
}

/* The scale of least error for the codes that the present one gives. */
static float refit(const struct fit *f, float n_codes)
{
    const float low = f->low_code - f->zero, high = n_codes - f->zero;
    double over = 0, under = 0;

    for (int64_t i = 0; i < f->n; i++) {
        float q = rintf(f->v[i] / f->scale);
        const double c = f->c ? (double)f->c[i] : 1;

        q = q < low ? low : q > high ? high : q;
        over += c * (double)f->v[i] * (double)q;
        under += c * (double)q * (double)q;
    }
    return under > 0 ? (float)(over / under) : 0;
}

/* A part of the range low .. high: one scale, and the zero points next to where 0 falls. */
static void try_range(struct fit *f, float part, float low, float high, bool is_symmetric,
                      float n_codes)
{
    const float most = -low > high ? -low : high;
    const float scale = part * (high - low) / n_codes;

    if (is_symmetric) {
        (void)try_scale(f, part * most / (n_codes - f->zero), f->zero, n_codes);
        return;
    }
    for (int d = -1; d <= 1; d++) {
        const float zero = rintf(-low * part / scale) + (float)d;

        if (zero >= 0 && zero <= n_codes)
            (void)try_scale(f, scale, zero, n_codes);
    }
}

static void fit_group(struct fit *f, bool is_symmetric, float n_codes)
{
    float low = 0, high = 0;

    for (int64_t i = 0; i < f->n; i++) {
        low = f->v[i] < low ? f->v[i] : low;
        high = f->v[i] > high ? f->v[i] : high;
    }
    f->error = INFINITY;
    f->scale = 1;
    f->zero = is_symmetric ? ceilf(n_codes / 2) : 0;
    if (low == 0 && high == 0)
        return;
    for (int k = 0; k < N_SHRINKS; k++)
        try_range(f, 1 - (float)(SHRINK_STEP * k), low, high, is_symmetric, n_codes);
    for (int k = 0; k < N_REFITS && try_scale(f, refit(f, n_codes), f->zero, n_codes); k++)
        ;
}

struct scale_job {
    const struct dsc_device *dev;
    struct dsc_weight_codes *q;
    const float *w, *importance;
};

static void scale_row(void *ctx, int64_t row)
{
    const struct scale_job *j = ctx;
    const struct dsc_weight_codes *q = j->q;
    const struct dsc_weight_layout *l = &q->layout;
    const float n_codes = (float)((1 << l->bits) - 1);

    for (int64_t g = 0; g < q->n_groups; g++) {
        const int64_t first = g * l->group;
        struct fit f = {.dev = j->dev,
                        .v = j->w + row * q->n_cols + first,
                        .c = j->importance ? j->importance + first : NULL,
                        .n = q->n_cols - first < l->group ? q->n_cols - first : l->group,
                        .low_code = l->is_symmetric ? 1 : 0};

        fit_group(&f, l->is_symmetric, n_codes);
        q->scale[row * q->n_groups + g] = f.scale;
        if (q->zero)
            q->zero[row * q->n_groups + g] = (uint8_t)f.zero;
    }
}

void dsc_weight_scales(struct dsc_device *dev, struct dsc_weight_codes *q, const float *w,
                       const float *importance)
{
    struct scale_job j = {dev, q, w, importance};

    dsc_parallel_for(dev->pool, q->n_rows, scale_row, &j);
}

static void round_row(void *ctx, int64_t row)
{
    const struct scale_job *j = ctx;
    const struct dsc_weight_codes *q = j->q;

    for (int64_t k = 0; k < q->n_cols; k++)
        q->code[row * q->n_cols + k] =
            dsc_weight_code(q, row, k, (double)j->w[row * q->n_cols + k]);
}

void dsc_weight_round(struct dsc_device *dev, struct dsc_weight_codes *q, const float *w)
{
    struct scale_job j = {dev, q, w, NULL};

    dsc_parallel_for(dev->pool, q->n_rows, round_row, &j);
}
