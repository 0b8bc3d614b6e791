/* Accuracy: the share of right labels. */
#include "metrics.h"

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    uint64_t right = 0;

    for (int32_t k = 0; k < d->tally->n_classes; k++)
        right += d->tally->right[k];
    *v = (double)right / (double)d->tally->n;
    return DSC_OK;
}

const struct dsc_metric dsc_metric_accuracy = {
    .name = "accuracy",
    .summary = "share of right labels",
    .input = DSC_INPUT_LABELS,
    .high = 1,
    .value = value,
};
