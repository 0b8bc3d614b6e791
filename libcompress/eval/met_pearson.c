/* Pearson's correlation of predicted values and targets. */
#include "metrics.h"

#include <math.h>

enum dsc_status dsc_draw_pearson(const struct dsc_draw *d, const double *x, const double *y,
                                 const char *name, double *value, struct dsc_err *err)
{
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0, r;

    for (size_t i = 0; i < d->p->n; i++) {
        mx += (double)dsc_draw_count(d, i) * x[i];
        my += (double)dsc_draw_count(d, i) * y[i];
    }
    mx /= (double)d->n;
    my /= (double)d->n;
    for (size_t i = 0; i < d->p->n; i++) {
        const double c = (double)dsc_draw_count(d, i), dx = x[i] - mx, dy = y[i] - my;

        xx += c * dx * dx;
        yy += c * dy * dy;
        xy += c * dx * dy;
    }
    /* a spread of rounding size around the mean is a constant */
    if (sqrt(xx) <= 1e-13 * fabs(mx) * sqrt((double)d->n) ||
        sqrt(yy) <= 1e-13 * fabs(my) * sqrt((double)d->n))
        return dsc_fail(err, DSC_E_EMPTY, "%s is not defined: targets or predictions are constant",
                        name);
    r = xy / sqrt(xx) / sqrt(yy);
    *value = fmin(fmax(r, -1.0), 1.0);
    return DSC_OK;
}

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    return dsc_draw_pearson(d, d->p->target, d->p->value, "pearson", v, err);
}

const struct dsc_metric dsc_metric_pearson = {
    .name = "pearson",
    .summary = "correlation of predictions and targets",
    .input = DSC_INPUT_VALUES,
    .low = -1,
    .high = 1,
    .value = value,
};
