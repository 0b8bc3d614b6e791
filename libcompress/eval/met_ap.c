/*
 * Average precision of the positive class: precision at each threshold, weighted by the recall it
 * adds, without interpolation. Equal scores are one threshold.
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
    uint64_t n_pos = 0, n_seen = 0, run_pos = 0;
    double sum = 0;

    for (size_t i = 0; i < d->p->n; i++) {
        const uint64_t c = dsc_draw_count(d, o->idx[i]);

        n_seen += c;
        run_pos += d->p->y_true[o->idx[i]] == d->p->positive ? c : 0;
        if (!o->group_end[i] || run_pos == 0)
            continue;
        n_pos += run_pos;
        sum += (double)run_pos * ((double)n_pos / (double)n_seen);
        run_pos = 0;
    }
    if (n_pos == 0)
        return dsc_fail(err, DSC_E_EMPTY, "ap: no example of the positive class");
    *v = sum / (double)n_pos;
    return DSC_OK;
}

const struct dsc_metric dsc_metric_ap = {
    .name = "ap",
    .summary = "average precision of the positive class",
    .input = DSC_INPUT_PROB,
    .is_of_positive = true,
    .high = 1,
    .prepare = prepare,
    .value = value,
};
