/*
 * Mean of -log p(true class). Probabilities are kept eps away from 0 and 1, eps = 2^-52, so that
 * one sure mistake costs 36 instead of infinity.
 */
#include "metrics.h"

#include <float.h>
#include <math.h>

static enum dsc_status prepare(const struct dsc_predictions *p, struct dsc_arena *arena,
                               void **state, struct dsc_err *err)
{
    double *loss;

    DSC_NEW(loss, arena, p->n, err);
    for (size_t i = 0; i < p->n; i++) {
        const double q = p->prob[i * (size_t)p->n_classes + (size_t)p->y_true[i]];

        loss[i] = -log(fmin(fmax(q, DBL_EPSILON), 1 - DBL_EPSILON));
    }
    *state = loss;
    return DSC_OK;
}

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    const double *loss = state;
    double sum = 0;

    for (size_t i = 0; i < d->p->n; i++)
        sum += (double)dsc_draw_count(d, i) * loss[i];
    *v = sum / (double)d->n;
    return DSC_OK;
}

const struct dsc_metric dsc_metric_log_loss = {
    .name = "log-loss",
    .summary = "mean of -log of the probability of the true class",
    .input = DSC_INPUT_PROB,
    .is_lower_better = true,
    .high = INFINITY,
    .prepare = prepare,
    .value = value,
};
