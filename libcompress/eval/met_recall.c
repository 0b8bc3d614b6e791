/* Recall of the positive class. */
#include "metrics.h"

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    return dsc_tally_positive(d, "recall", dsc_tally_recall, v, err);
}

const struct dsc_metric dsc_metric_recall = {
    .name = "recall",
    .summary = "of the positive examples, the share that was found",
    .input = DSC_INPUT_LABELS,
    .is_of_positive = true,
    .high = 1,
    .value = value,
};
