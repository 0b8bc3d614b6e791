/* Precision of the positive class; 0 when nothing is predicted positive. */
#include "metrics.h"

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    return dsc_tally_positive(d, "precision", dsc_tally_precision, v, err);
}

const struct dsc_metric dsc_metric_precision = {
    .name = "precision",
    .summary = "of the examples said to be positive, the share that is",
    .input = DSC_INPUT_LABELS,
    .is_of_positive = true,
    .high = 1,
    .value = value,
};
