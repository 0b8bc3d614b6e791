/* Spearman's correlation: Pearson's of the ranks, equal values sharing the mean of their ranks. */
#include "metrics.h"

struct state {
    struct dsc_order target, value;
};

static enum dsc_status prepare(const struct dsc_predictions *p, struct dsc_arena *arena,
                               void **state, struct dsc_err *err)
{
    struct state *s;

    DSC_NEW(s, arena, 1, err);
    *state = s;
    DSC_TRY(dsc_order_make(&s->target, p->target, p->n, 1, arena, err));
    return dsc_order_make(&s->value, p->value, p->n, 1, arena, err);
}

/* Copies of an example are ties of each other: a run of w of them behind `above` has one rank. */
static void ranks(const struct dsc_draw *d, const struct dsc_order *o, double *rank)
{
    uint64_t above = 0, w = 0;
    size_t first = 0;

    for (size_t i = 0; i < d->p->n; i++) {
        w += dsc_draw_count(d, o->idx[i]);
        if (!o->group_end[i])
            continue;
        for (; first <= i; first++)
            rank[o->idx[first]] = (double)above + ((double)w + 1) / 2;
        above += w;
        w = 0;
    }
}

static enum dsc_status value(const struct dsc_draw *d, const void *state, double *v,
                             struct dsc_err *err)
{
    const struct state *s = state;

    ranks(d, &s->target, d->scratch);
    ranks(d, &s->value, d->scratch + d->p->n);
    return dsc_draw_pearson(d, d->scratch, d->scratch + d->p->n, "spearman", v, err);
}

const struct dsc_metric dsc_metric_spearman = {
    .name = "spearman",
    .summary = "correlation of the ranks of predictions and targets",
    .input = DSC_INPUT_VALUES,
    .low = -1,
    .high = 1,
    .n_scratch = 2,
    .prepare = prepare,
    .value = value,
};
