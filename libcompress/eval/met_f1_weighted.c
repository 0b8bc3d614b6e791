/* F1 of each class, weighted by how often it is true. */
#include "metrics.h"

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    double sum = 0;

    for (int32_t k = 0; k < d->tally->n_classes; k++)
        sum += dsc_tally_f1(d->tally, k) * (double)d->tally->truth[k];
    *v = sum / (double)d->tally->n;
    return DSC_OK;
}

const struct dsc_metric dsc_metric_f1_weighted = {
    .name = "f1-weighted",
    .summary = "mean over the classes of their F1, weighted by their size",
    .input = DSC_INPUT_LABELS,
    .high = 1,
    .value = value,
};
