/*
 * Matthews' correlation coefficient, for any number of classes; 0 when truth or prediction is
 * constant.
 *
 * Source  Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation
 *         coefficient"
 */
#include "metrics.h"

#include <math.h>

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    const struct dsc_tally *t = d->tally;
    const double n = (double)t->n;
    double right = 0, pt = 0, pp = 0, tt = 0;
    double cov, var;

    for (int32_t k = 0; k < t->n_classes; k++) {
        const double truth = (double)t->truth[k], pred = (double)t->pred[k];

        right += (double)t->right[k];
        pt += pred * truth;
        pp += pred * pred;
        tt += truth * truth;
    }
    cov = right * n - pt;
    var = (n * n - pp) * (n * n - tt);
    *v = var > 0 ? cov / sqrt(var) : 0.0;
    return DSC_OK;
}

const struct dsc_metric dsc_metric_mcc = {
    .name = "mcc",
    .summary = "Matthews' correlation coefficient",
    .input = DSC_INPUT_LABELS,
    .low = -1,
    .high = 1,
    .value = value,
};
