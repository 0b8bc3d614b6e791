/* Intervals from draws, McNemar's test, and how many examples a decision needs. */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t n, double q)
{
    const double at = q * (double)(n - 1);
    const size_t i = (size_t)at;
    const double part = at - (double)i;

    if (i + 1 >= n)
        return sorted[n - 1];
    return sorted[i] + part * (sorted[i + 1] - sorted[i]);
}

static double standard_deviation(const double *v, size_t n)
{
    double mean = 0, sum = 0;

    for (size_t i = 0; i < n; i++)
        mean += v[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : 0.0;
}

enum dsc_status dsc_interval_of(double value, const double *draws, size_t n_draws, double q_low,
                                double q_high, struct dsc_interval *interval, struct dsc_err *err)
{
    double *v = dsc_heap_alloc(n_draws, sizeof *v, err);
    size_t n = 0;

    if (!v)
        return DSC_E_MEMORY;
    for (size_t i = 0; i < n_draws; i++)
        if (!isnan(draws[i]))
            v[n++] = draws[i];
    if (n == 0) {
        dsc_heap_free(v);
        return dsc_fail(err, DSC_E_EMPTY, "not defined on any of %zu bootstrap draws", n_draws);
    }
    qsort(v, n, sizeof *v, compare_doubles);
    *interval = (struct dsc_interval){
        .value = value,
        .low = percentile(v, n, q_low),
        .high = percentile(v, n, q_high),
        .se = standard_deviation(v, n),
        .n_undefined = n_draws - n,
    };
    dsc_heap_free(v);
    return DSC_OK;
}

/* Intervals of p's metrics, or of p - base where there is a base. */
static enum dsc_status intervals_of(const struct dsc_bootstrap *b, double confidence,
                                    const struct dsc_metric *const *metrics, size_t n_metrics,
                                    const struct dsc_predictions *p,
                                    const struct dsc_predictions *base,
                                    struct dsc_interval *intervals, struct dsc_err *err)
{
    const size_t n = b->n_draws ? b->n_draws : DSC_BOOTSTRAP_DRAWS;
    const double tail = (1 - (confidence > 0 ? confidence : 0.95)) / 2;
    double *draws = dsc_heap_alloc(n_metrics, n * sizeof *draws, err);
    double *other = base ? dsc_heap_alloc(n_metrics, n * sizeof *other, err) : NULL;
    enum dsc_status st = draws && (other || !base) ? DSC_OK : DSC_E_MEMORY;

    if (st == DSC_OK)
        st = dsc_bootstrap_run(b, metrics, n_metrics, p, base, draws, other, err);
    for (size_t m = 0; st == DSC_OK && m < n_metrics; m++) {
        double value, base_value = 0;

        DSC_TRY_OUT(st, dsc_metric_value(metrics[m], p, &value, err));
        if (base)
            DSC_TRY_OUT(st, dsc_metric_value(metrics[m], base, &base_value, err));
        for (size_t k = 0; base && k < n; k++)
            draws[m * n + k] -= other[m * n + k];
        st = dsc_interval_of(value - base_value, draws + m * n, n, tail, 1 - tail, &intervals[m],
                             err);
    }
out:
    dsc_heap_free(draws);
    dsc_heap_free(other);
    return st;
}

enum dsc_status dsc_metric_intervals(const struct dsc_bootstrap *b, double confidence,
                                     const struct dsc_metric *const *metrics, size_t n_metrics,
                                     const struct dsc_predictions *p,
                                     struct dsc_interval *intervals, struct dsc_err *err)
{
    return intervals_of(b, confidence, metrics, n_metrics, p, NULL, intervals, err);
}

enum dsc_status dsc_metric_differences(const struct dsc_bootstrap *b, double confidence,
                                       const struct dsc_metric *const *metrics, size_t n_metrics,
                                       const struct dsc_predictions *p,
                                       const struct dsc_predictions *base,
                                       struct dsc_interval *intervals, struct dsc_err *err)
{
    return intervals_of(b, confidence, metrics, n_metrics, p, base, intervals, err);
}

/* log(k!), without lgamma's hidden global. */
static double log_factorial(uint64_t k)
{
    int sign;

    return lgamma_r((double)k + 1, &sign);
}

/* Two-sided binomial test of k against n - k at one half. */
static double binomial_p(uint64_t k, uint64_t n)
{
    double p = 0;

    if (2 * k > n)
        k = n - k;
    if (2 * k == n)
        return 1.0;
    for (uint64_t i = 0; i <= k; i++) /* from the smallest term up */
        p += exp(log_factorial(n) - log_factorial(i) - log_factorial(n - i) -
                 (double)n * 0.693147180559945309);
    return fmin(1.0, 2 * p);
}

enum dsc_status dsc_mcnemar(const struct dsc_predictions *p, const struct dsc_predictions *base,
                            struct dsc_mcnemar *result, struct dsc_err *err)
{
    struct dsc_mcnemar r = {.p_exact = 1, .p_chi2 = 1};

    DSC_TRY(dsc_predictions_check(p, &dsc_metric_accuracy, err));
    DSC_TRY(dsc_predictions_check(base, &dsc_metric_accuracy, err));
    DSC_TRY(dsc_predictions_match(p, base, err));
    for (size_t i = 0; i < p->n; i++) {
        const bool cand_right = p->y_pred[i] == p->y_true[i];
        const bool base_right = base->y_pred[i] == base->y_true[i];

        r.n_only_cand += cand_right && !base_right;
        r.n_only_base += base_right && !cand_right;
        r.n_flips += p->y_pred[i] != base->y_pred[i];
    }
    if (r.n_only_base + r.n_only_cand > 0) {
        const double b = (double)r.n_only_base, c = (double)r.n_only_cand;
        const double gap = fabs(b - c) - 1;

        r.p_exact = binomial_p(r.n_only_base, r.n_only_base + r.n_only_cand);
        r.chi2 = gap * gap / (b + c);
        r.p_chi2 = erfc(sqrt(r.chi2 / 2)); /* upper tail of chi squared with one degree */
    }
    *result = r;
    return DSC_OK;
}

double dsc_normal_quantile(double q)
{
    const double tail = q < 0.5 ? q : 1 - q;
    double low = 0, high = 40; /* of -x, where P(X < x) = tail */

    for (int i = 0; i < 100; i++) {
        const double mid = (low + high) / 2;

        if (erfc(mid / 1.4142135623730951) / 2 > tail)
            low = mid;
        else
            high = mid;
    }
    return q < 0.5 ? -low : low;
}

uint64_t dsc_n_to_decide(size_t n, double value, double bar, double se, double confidence)
{
    const double gap = fabs(value - bar);
    const double ratio = gap > 0 ? dsc_normal_quantile(confidence) * se / gap : INFINITY;
    const double need = (double)n * ratio * ratio;

    return need < 1e15 ? (uint64_t)ceil(need) : 0;
}
