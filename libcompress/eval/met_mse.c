/* Mean squared error. */
#include "metrics.h"

#include <math.h>

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    double sum = 0;

    for (size_t i = 0; i < d->p->n; i++) {
        const double e = d->p->value[i] - d->p->target[i];

        sum += (double)dsc_draw_count(d, i) * (e * e);
    }
    *v = sum / (double)d->n;
    return DSC_OK;
}

const struct dsc_metric dsc_metric_mse = {
    .name = "mse",
    .summary = "mean squared error",
    .input = DSC_INPUT_VALUES,
    .is_lower_better = true,
    .high = INFINITY,
    .value = value,
};
