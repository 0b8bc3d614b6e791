/* F1 of the positive class. */
#include "metrics.h"

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    return dsc_tally_positive(d, "f1", dsc_tally_f1, v, err);
}

const struct dsc_metric dsc_metric_f1 = {
    .name = "f1",
    .summary = "harmonic mean of precision and recall of the positive class",
    .input = DSC_INPUT_LABELS,
    .is_of_positive = true,
    .high = 1,
    .value = value,
};
