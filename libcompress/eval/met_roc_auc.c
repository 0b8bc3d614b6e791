/*
 * Area under the ROC curve of the positive class: the probability that a positive example scores
 * above a negative one, ties counted half. Pairs are counted in integers, so the sum is exact.
 */
#include "metrics.h"

static enum dsc_status prepare(const struct dsc_predictions *p, struct dsc_arena *arena,
                               void **state, struct dsc_err *err)
{
    struct dsc_order *o;

    DSC_NEW(o, arena, 1, err);
    *state = o;
    return dsc_order_make(o, p->prob + p->positive, p->n, (size_t)p->n_classes, arena, err);
}

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    const struct dsc_order *o = state;
    uint64_t n_pos = 0, n_neg = 0;     /* seen so far, from the highest score down */
    uint64_t run_pos = 0, run_neg = 0; /* in the run of equal scores */
    double twice_won = 0;              /* below 2^53 this is exact, and n^2 may pass 2^64 */

    for (size_t i = 0; i < d->p->n; i++) {
        const uint64_t c = dsc_draw_count(d, o->idx[i]);

        if (d->p->y_true[o->idx[i]] == d->p->positive)
            run_pos += c;
        else
            run_neg += c;
        if (!o->group_end[i])
            continue;
        twice_won += (double)(2 * n_pos + run_pos) * (double)run_neg;
        n_pos += run_pos;
        n_neg += run_neg;
        run_pos = run_neg = 0;
    }
    if (n_pos == 0 || n_neg == 0)
        return dsc_fail(err, DSC_E_EMPTY, "roc-auc: every example is %s",
                        n_pos ? "positive" : "negative");
    *v = twice_won / 2 / ((double)n_pos * (double)n_neg);
    return DSC_OK;
}

const struct dsc_metric dsc_metric_roc_auc = {
    .name = "roc-auc",
    .summary = "area under the ROC curve of the positive class",
    .input = DSC_INPUT_PROB,
    .is_of_positive = true,
    .high = 1,
    .prepare = prepare,
    .value = value,
};
