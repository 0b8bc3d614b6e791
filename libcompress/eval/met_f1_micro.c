/*
 * F1 over all decisions. Each example has one label, so that a wrong one is one false positive and
 * one false negative: micro precision, recall and F1 are all the accuracy.
 */
#include "metrics.h"

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    return dsc_metric_accuracy.value(d, state, v, err);
}

const struct dsc_metric dsc_metric_f1_micro = {
    .name = "f1-micro",
    .summary = "F1 over all decisions; equals accuracy with one label an example",
    .input = DSC_INPUT_LABELS,
    .high = 1,
    .value = value,
};
