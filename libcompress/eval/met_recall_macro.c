/* Recall of each class that occurs in truth or prediction, and their mean. */
#include "metrics.h"

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    *v = dsc_tally_macro(d->tally, dsc_tally_recall);
    return DSC_OK;
}

const struct dsc_metric dsc_metric_recall_macro = {
    .name = "recall-macro",
    .summary = "mean over the classes of their recall",
    .input = DSC_INPUT_LABELS,
    .high = 1,
    .value = value,
};
