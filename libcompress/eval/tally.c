/* Counts by class and the scores made of them; sorted orders; checks of predictions. */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void dsc_tally_fill(struct dsc_tally *t, const struct dsc_predictions *p, const uint32_t *count)
{
    const size_t n_bytes = (size_t)p->n_classes * sizeof t->right[0];

    memset(t->right, 0, n_bytes);
    memset(t->pred, 0, n_bytes);
    memset(t->truth, 0, n_bytes);
    t->n_classes = p->n_classes;
    t->positive = p->positive;
    t->n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const uint64_t c = count ? count[i] : 1;

        t->n += c;
        t->truth[p->y_true[i]] += c;
        t->pred[p->y_pred[i]] += c;
        t->right[p->y_true[i]] += p->y_true[i] == p->y_pred[i] ? c : 0;
    }
}

static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0.0;
}

double dsc_tally_precision(const struct dsc_tally *t, int32_t k)
{
    return ratio(t->right[k], t->pred[k]);
}

double dsc_tally_recall(const struct dsc_tally *t, int32_t k)
{
    return ratio(t->right[k], t->truth[k]);
}

double dsc_tally_f1(const struct dsc_tally *t, int32_t k)
{
    return ratio(2 * t->right[k], t->pred[k] + t->truth[k]);
}

double dsc_tally_macro(const struct dsc_tally *t, double (*of)(const struct dsc_tally *, int32_t))
{
    double sum = 0;
    int32_t n = 0;

    for (int32_t k = 0; k < t->n_classes; k++) {
        if (t->pred[k] + t->truth[k] == 0)
            continue;
        sum += of(t, k);
        n++;
    }
    return n ? sum / n : 0.0;
}

enum dsc_status dsc_tally_positive(const struct dsc_draw *d, const char *name,
                                   double (*of)(const struct dsc_tally *, int32_t), double *value,
                                   struct dsc_err *err)
{
    if (d->tally->truth[d->tally->positive] == 0)
        return dsc_fail(err, DSC_E_EMPTY, "%s: no example of the positive class", name);
    *value = of(d->tally, d->tally->positive);
    return DSC_OK;
}

struct sort_ctx {
    const double *v;
    size_t stride;
};

static int compare_desc(const void *a, const void *b, void *ctx)
{
    const struct sort_ctx *c = ctx;
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const double x = c->v[i * c->stride], y = c->v[j * c->stride];

    if (x < y || x > y)
        return x > y ? -1 : 1;
    return (i > j) - (i < j);
}

enum dsc_status dsc_order_make(struct dsc_order *o, const double *v, size_t n, size_t stride,
                               struct dsc_arena *arena, struct dsc_err *err)
{
    struct sort_ctx ctx = {v, stride};

    DSC_NEW(o->idx, arena, n, err);
    DSC_NEW(o->group_end, arena, n, err);
    for (size_t i = 0; i < n; i++)
        o->idx[i] = (uint32_t)i;
    qsort_r(o->idx, n, sizeof o->idx[0], compare_desc, &ctx);
    for (size_t i = 0; i < n; i++)
        o->group_end[i] = i + 1 == n || v[o->idx[i] * stride] > v[o->idx[i + 1] * stride];
    return DSC_OK;
}

enum dsc_status dsc_predict_row(const float *logits, int32_t n_classes, int32_t *y_pred,
                                double *prob, struct dsc_err *err)
{
    int32_t best = 0;
    double sum = 0;

    for (int32_t k = 0; k < n_classes; k++) {
        if (!isfinite(logits[k]))
            return dsc_fail(err, DSC_E_NONFINITE, "logit %d is %g", k, (double)logits[k]);
        if (logits[k] > logits[best])
            best = k;
    }
    *y_pred = best;
    for (int32_t k = 0; prob && k < n_classes; k++)
        sum += prob[k] = exp((double)logits[k] - (double)logits[best]);
    for (int32_t k = 0; prob && k < n_classes; k++)
        prob[k] /= sum;
    return DSC_OK;
}

static enum dsc_status check_labels(const struct dsc_predictions *p, struct dsc_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->y_true[i] >= 0 && p->y_true[i] < p->n_classes && p->y_pred[i] >= 0 &&
            p->y_pred[i] < p->n_classes)
            continue;
        dsc_fail(err, DSC_E_RANGE, "label %d, predicted %d, of %d classes", p->y_true[i],
                 p->y_pred[i], p->n_classes);
        dsc_err_where(err, "example %zu", i);
        return DSC_E_RANGE;
    }
    return DSC_OK;
}

static enum dsc_status check_finite(const double *v, size_t n, size_t per_example, const char *what,
                                    struct dsc_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (isfinite(v[i]))
            continue;
        dsc_fail(err, DSC_E_NONFINITE, "a %s of %g", what, v[i]);
        dsc_err_where(err, "example %zu", i / per_example);
        return DSC_E_NONFINITE;
    }
    return DSC_OK;
}

enum dsc_status dsc_predictions_check(const struct dsc_predictions *p, const struct dsc_metric *m,
                                      struct dsc_err *err)
{
    if (m->input == DSC_INPUT_VALUES ? !p->target || !p->value : !p->y_true || !p->y_pred)
        return dsc_fail(err, DSC_E_USAGE, "%s is for %s", m->name,
                        m->input == DSC_INPUT_VALUES ? "regression, and these are classes"
                                                     : "classes, and these are values");
    if (p->n == 0)
        return dsc_fail(err, DSC_E_EMPTY, "no examples");
    if (p->n >= UINT32_MAX)
        return dsc_fail(err, DSC_E_LIMIT, "%zu examples", p->n);
    if (m->input == DSC_INPUT_VALUES) {
        DSC_TRY(check_finite(p->target, p->n, 1, "target", err));
        return check_finite(p->value, p->n, 1, "predicted value", err);
    }
    if (m->input == DSC_INPUT_PROB && !p->prob)
        return dsc_fail(err, DSC_E_USAGE, "%s needs probabilities", m->name);
    DSC_TRY(check_labels(p, err));
    if (m->is_of_positive && (p->positive < 0 || p->positive >= p->n_classes)) {
        dsc_fail(err, DSC_E_USAGE,
                 "%s is of the positive class, and none of the %d classes is said "
                 "to be it",
                 m->name, p->n_classes);
        dsc_err_hint(err, p->n_classes == 2
                              ? "--positive NAME, or f1-macro"
                              : "f1-macro, f1-micro or f1-weighted; or --positive NAME");
        return DSC_E_USAGE;
    }
    if (m->input == DSC_INPUT_PROB)
        return check_finite(p->prob, p->n * (size_t)p->n_classes, (size_t)p->n_classes,
                            "probability", err);
    return DSC_OK;
}

enum dsc_status dsc_predictions_match(const struct dsc_predictions *p,
                                      const struct dsc_predictions *base, struct dsc_err *err)
{
    if (p->n != base->n || p->n_classes != base->n_classes || p->positive != base->positive)
        return dsc_fail(
            err, DSC_E_INCONSISTENT,
            "candidate and baseline have other examples or classes: %zu of %d (positive "
            "%d), %zu of %d (positive %d)",
            p->n, p->n_classes, p->positive, base->n, base->n_classes, base->positive);
    for (size_t i = 0; i < p->n; i++) {
        const bool is_same = p->y_true && base->y_true   ? p->y_true[i] == base->y_true[i]
                             : p->target && base->target ? !(p->target[i] < base->target[i] ||
                                                             p->target[i] > base->target[i])
                                                         : false;

        if (!is_same)
            return dsc_fail(err, DSC_E_INCONSISTENT,
                            "candidate and baseline were not asked the same: the truth of example "
                            "%zu differs",
                            i);
    }
    return DSC_OK;
}
