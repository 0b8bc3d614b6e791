/*
 * What the metric files share. Internal to eval.
 */
#ifndef DSC_EVAL_METRICS_H
#define DSC_EVAL_METRICS_H

#include "dsc/eval.h"

#define DSC_METRIC(name) extern const struct dsc_metric dsc_metric_##name;
#include "metrics.def"
#undef DSC_METRIC

/** Can the metric be computed from these? USAGE, EMPTY, RANGE or NONFINITE, as dsc_metric_value. */
enum dsc_status dsc_predictions_check(const struct dsc_predictions *p, const struct dsc_metric *m,
                                      struct dsc_err *err);

/** Same examples, same classes: else INCONSISTENT. */
enum dsc_status dsc_predictions_match(const struct dsc_predictions *p,
                                      const struct dsc_predictions *base, struct dsc_err *err);

/** right, pred and truth are the caller's, [n_classes] each; overwritten. */
void dsc_tally_fill(struct dsc_tally *t, const struct dsc_predictions *p, const uint32_t *count);

/** Of class k; 0 where the denominator is 0, as scikit-learn's zero_division. */
double dsc_tally_precision(const struct dsc_tally *t, int32_t k);
double dsc_tally_recall(const struct dsc_tally *t, int32_t k);
double dsc_tally_f1(const struct dsc_tally *t, int32_t k);

/** Mean over the classes that are true or predicted somewhere. */
double dsc_tally_macro(const struct dsc_tally *t, double (*of)(const struct dsc_tally *, int32_t));

/** `of` for the positive class, EMPTY without positives in the draw. */
enum dsc_status dsc_tally_positive(const struct dsc_draw *d, const char *name,
                                   double (*of)(const struct dsc_tally *, int32_t), double *value,
                                   struct dsc_err *err);

/**
 * Indices of n values in descending order and the ends of runs of equal values: group_end[i] is 1
 * where a run ends. Ties stand in the order of their indices.
 */
struct dsc_order {
    uint32_t *idx;
    unsigned char *group_end;
};

/** `stride`: doubles between two values. Memory: order's arrays live in the arena. */
enum dsc_status dsc_order_make(struct dsc_order *o, const double *v, size_t n, size_t stride,
                               struct dsc_arena *arena, struct dsc_err *err);

/** How often example i is in the draw. */
static inline uint64_t dsc_draw_count(const struct dsc_draw *d, size_t i)
{
    return d->count ? d->count[i] : 1;
}

/** Pearson's correlation of x and y [p->n] on the draw; EMPTY when one of them is constant. */
enum dsc_status dsc_draw_pearson(const struct dsc_draw *d, const double *x, const double *y,
                                 const char *name, double *value, struct dsc_err *err);

#endif
