/*
 * Metrics of predictions, their bootstrap intervals, and comparison of two models on the same
 * examples. Values equal scikit-learn's; sums are f64 in the order of the examples.
 */
#ifndef DSC_EVAL_H
#define DSC_EVAL_H

#include "dsc/arena.h"
#include "dsc/pool.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * What a model said about n examples. Fields that a metric does not need may be NULL.
 *
 * Shapes  y_true, y_pred [n] in [0, n_classes); prob [n, n_classes]; target, value [n]
 * Units   prob: probabilities, rows sum to 1; positive: index of the positive class, -1: none
 *         n_classes 0: regression (target and value)
 * Memory  the caller's
 */
struct dsc_predictions {
    size_t n;
    int32_t n_classes;
    int32_t positive;
    const int32_t *y_true;
    const int32_t *y_pred;
    const double *prob;
    const double *target;
    const double *value;
};

/** Examples by class: right ones, predicted ones, true ones; and all. */
struct dsc_tally {
    int32_t n_classes;
    int32_t positive;
    uint64_t n;
    uint64_t *right, *pred, *truth;
};

/**
 * A sample to compute a metric on: the predictions, each example count[i] times.
 *
 * count    NULL: each once
 * n        sum of count
 * tally    filled for metrics of DSC_INPUT_LABELS
 * scratch  metric->n_scratch doubles for each example
 */
struct dsc_draw {
    const struct dsc_predictions *p;
    const uint32_t *count;
    uint64_t n;
    const struct dsc_tally *tally;
    double *scratch;
};

/**
 * One example's logits into its label and its probabilities: argmax, the first on a tie, and
 * softmax in f64. This is what eval, gate and `--predictions` use, so that their numbers agree.
 *
 * Shapes  logits, prob [n_classes]; prob may be NULL
 * Errors  NONFINITE  NaN, or infinity
 */
enum dsc_status dsc_predict_row(const float *logits, int32_t n_classes, int32_t *y_pred,
                                double *prob, struct dsc_err *err);

enum dsc_metric_input { DSC_INPUT_LABELS, DSC_INPUT_PROB, DSC_INPUT_VALUES };

/**
 * A metric: one row of metrics.def, one file.
 *
 * low, high      range of its values; infinite where there is no bound
 * is_of_positive about the positive class; without one in the data it is EMPTY
 * prepare        sorts what every draw needs sorted, once; NULL: nothing to prepare
 * value          EMPTY where the metric is not defined on the draw
 */
struct dsc_metric {
    const char *name;
    const char *summary;
    enum dsc_metric_input input;
    bool is_of_positive;
    bool is_lower_better;
    double low, high;
    size_t n_scratch;
    enum dsc_status (*prepare)(const struct dsc_predictions *p, struct dsc_arena *arena,
                               void **state, struct dsc_err *err);
    enum dsc_status (*value)(const struct dsc_draw *d, const void *state, double *value,
                             struct dsc_err *err);
};

/** All metrics, sorted by name, ended by NULL. */
const struct dsc_metric *const *dsc_metrics(void);

/** NULL when there is none of this name. */
const struct dsc_metric *dsc_metric_find(const char *name);

/** As dsc_metric_find. Errors: USAGE, an unknown name; all names are listed. */
enum dsc_status dsc_metric_named(const char *name, const struct dsc_metric **metric,
                                 struct dsc_err *err);

/**
 * "f1,accuracy" into an arena array. Errors: USAGE, an unknown name (all names are listed), a name
 * twice, or an empty list.
 */
enum dsc_status dsc_metric_parse(const char *list, const struct dsc_metric *const **metrics,
                                 size_t *n_metrics, struct dsc_arena *arena, struct dsc_err *err);

/**
 * Index of the positive class. Two classes 0 and 1 (or the placeholders LABEL_0 and LABEL_1) have
 * one by themselves; otherwise `name` says it, and NULL gives -1: none.
 *
 * Errors  USAGE  no class of that name
 */
enum dsc_status dsc_positive_class(const char *const *label_names, size_t n_labels,
                                   const char *name, int32_t *positive, struct dsc_err *err);

/**
 * The metric of all predictions.
 *
 * Errors  USAGE         it cannot be computed from such predictions: no positive class, values
 *                       where labels are needed, no probabilities
 *         EMPTY         no examples; no positives; one class only for roc-auc; a constant for
 *                       pearson and spearman
 *         RANGE         a label outside [0, n_classes); NONFINITE: NaN or Inf in prob or values
 */
enum dsc_status dsc_metric_value(const struct dsc_metric *m, const struct dsc_predictions *p,
                                 double *value, struct dsc_err *err);

/**
 * A bootstrap: n_draws (0: 10,000) samples of n examples with replacement. Draw k takes its numbers
 * from the stream (seed, k), so that the result does not depend on the number of threads.
 */
struct dsc_bootstrap {
    size_t n_draws;
    uint64_t seed;
    struct dsc_pool *pool;
};

enum { DSC_BOOTSTRAP_DRAWS = 10000 };

/**
 * The metrics of each draw; those of `base` on the same draws when it is given.
 *
 * Shapes  draws, base_draws [n_metrics, n_draws]; base_draws may be NULL when base is
 * Units   NaN where a metric is not defined on a draw
 * Errors  as dsc_metric_value; INCONSISTENT: base has other examples or classes; LIMIT: n >= 2^32
 * Source  Efron and Tibshirani 1993, chapters 6 and 13
 */
enum dsc_status dsc_bootstrap_run(const struct dsc_bootstrap *b,
                                  const struct dsc_metric *const *metrics, size_t n_metrics,
                                  const struct dsc_predictions *p,
                                  const struct dsc_predictions *base, double *draws,
                                  double *base_draws, struct dsc_err *err);

/**
 * A value with its interval. low, high: percentiles of the draws; se: their standard deviation;
 * n_undefined: draws left out because the metric was not defined on them.
 */
struct dsc_interval {
    double value;
    double low, high;
    double se;
    size_t n_undefined;
};

/**
 * Percentiles q_low and q_high (in [0, 1]) of the draws that are not NaN, by linear interpolation
 * between order statistics. Errors: EMPTY, no draw is defined.
 */
enum dsc_status dsc_interval_of(double value, const double *draws, size_t n_draws, double q_low,
                                double q_high, struct dsc_interval *interval, struct dsc_err *err);

/** Values and two-sided intervals of `confidence` (0: 0.95) for all metrics: what eval prints. */
enum dsc_status dsc_metric_intervals(const struct dsc_bootstrap *b, double confidence,
                                     const struct dsc_metric *const *metrics, size_t n_metrics,
                                     const struct dsc_predictions *p,
                                     struct dsc_interval *intervals, struct dsc_err *err);

/**
 * Candidate - baseline of each metric with its paired interval.
 */
enum dsc_status dsc_metric_differences(const struct dsc_bootstrap *b, double confidence,
                                       const struct dsc_metric *const *metrics, size_t n_metrics,
                                       const struct dsc_predictions *p,
                                       const struct dsc_predictions *base,
                                       struct dsc_interval *intervals, struct dsc_err *err);

/**
 * McNemar's test: are the two models wrong equally often? Both p values are two-sided; the exact
 * one is binomial, chi2 has the continuity correction. Without a disagreement both p are 1.
 *
 * n_only_base, n_only_cand  examples that only the baseline, only the candidate has right
 * n_flips                   examples whose predicted label differs, right or wrong
 * Source  McNemar 1947; Edwards 1948 for the correction
 */
struct dsc_mcnemar {
    uint64_t n_only_base, n_only_cand;
    uint64_t n_flips;
    double p_exact;
    double chi2, p_chi2;
};

enum dsc_status dsc_mcnemar(const struct dsc_predictions *p, const struct dsc_predictions *base,
                            struct dsc_mcnemar *result, struct dsc_err *err);

/** Inverse of the standard normal distribution, 0 < q < 1, to 1e-12. */
double dsc_normal_quantile(double q);

/**
 * Examples after which a one-sided bound of `confidence` would no longer straddle the bar, if value
 * and spread stay what they are: the standard error falls with the root of n. 0: not decidable,
 * because the value stands on the bar.
 */
uint64_t dsc_n_to_decide(size_t n, double value, double bar, double se, double confidence);

#endif
