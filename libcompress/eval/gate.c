/* Deciding the checks of the gate. */
#include "dsc/gate.h"

#include "gate_kinds.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double ON_THE_BAR = 1e-12;

/* Everything the rows are decided from; draws are NULL without --confidence. */
struct gate {
    const struct dsc_gate_input *in;
    const struct dsc_gate_rule *rule;
    const struct dsc_metric **metrics; /* each once */
    size_t n_metrics;
    size_t n_draws;
    double *draws, *base_draws; /* [n_metrics, n_draws] */
};

static size_t metric_idx(const struct gate *g, const struct dsc_metric *m)
{
    size_t i = 0;

    while (i < g->n_metrics && g->metrics[i] != m)
        i++;
    return i;
}

/*
 * What a check holds against its bar, from the two metrics: the metric, the drop, or the ratio.
 * NaN where the baseline has nothing to retain.
 */
static double held(const struct dsc_check *c, double cand, double base)
{
    switch (c->kind) {
    case DSC_CHECK_MAX_DROP:
        return c->metric->is_lower_better ? cand - base : base - cand;
    case DSC_CHECK_RETAIN:
        return base > 0 ? cand / base : NAN;
    default:
        return cand;
    }
}

/* How far beyond the bar, in the units of the metric: >= 0 passes. */
static double margin(const struct dsc_check *c, double cand, double base)
{
    switch (c->kind) {
    case DSC_CHECK_MAX_DROP:
        return c->bar - held(c, cand, base);
    case DSC_CHECK_RETAIN:
        return cand - c->bar * base; /* defined where the ratio is not */
    default:
        return cand - c->bar;
    }
}

/* Intervals of the held value and of the margin over the draws. */
static enum dsc_status bounds(const struct gate *g, struct dsc_gate_row *row,
                              struct dsc_interval *of_margin, struct dsc_err *err)
{
    const struct dsc_check *c = row->check;
    const size_t at = metric_idx(g, c->metric) * g->n_draws;
    const double tail = 1 - g->rule->confidence;
    const bool is_paired = dsc_check_infos[c->kind].is_paired;
    double *v = dsc_heap_alloc(g->n_draws, sizeof *v, err);
    struct dsc_interval of_value;
    enum dsc_status st = v ? DSC_OK : DSC_E_MEMORY;

    for (size_t k = 0; v && k < g->n_draws; k++)
        v[k] = margin(c, g->draws[at + k], is_paired ? g->base_draws[at + k] : 0);
    if (st == DSC_OK)
        st = dsc_interval_of(margin(c, row->candidate, row->baseline), v, g->n_draws, tail,
                             1 - tail, of_margin, err);
    for (size_t k = 0; st == DSC_OK && k < g->n_draws; k++)
        v[k] = held(c, g->draws[at + k], is_paired ? g->base_draws[at + k] : 0);
    if (st == DSC_OK)
        st = dsc_interval_of(row->value, v, g->n_draws, tail, 1 - tail, &of_value, err);
    if (st == DSC_OK) {
        row->has_bounds = true;
        row->low = of_value.low;
        row->high = of_value.high;
    }
    dsc_heap_free(v);
    return st;
}

/*
 * The standard error is taken so large that it reaches the bound that was found: a skewed
 * bootstrap must not promise a decision at fewer examples than there are.
 */
static void note_undecided(struct dsc_gate_row *row, const struct dsc_interval *of_margin,
                           const struct gate *g)
{
    const double confidence = g->rule->confidence, z = dsc_normal_quantile(confidence);
    const double to_bound = of_margin->value > 0 ? of_margin->value - of_margin->low
                                                 : of_margin->high - of_margin->value;
    const double se = z > 0 ? fmax(of_margin->se, to_bound / z) : of_margin->se;
    const size_t n = g->in->candidate->n;
    const int n_text =
        snprintf(row->note, sizeof row->note, "not decided by %zu examples at %g %% confidence; ",
                 n, 100 * confidence);

    row->n_decide = dsc_n_to_decide(n, of_margin->value, 0, se, confidence);
    if (row->n_decide > 0)
        snprintf(row->note + n_text, sizeof row->note - (size_t)n_text, "about %llu would decide",
                 (unsigned long long)row->n_decide);
    else
        snprintf(row->note + n_text, sizeof row->note - (size_t)n_text,
                 "the value stands on the bar");
}

static enum dsc_status decide_metric(const struct gate *g, struct dsc_gate_row *row,
                                     struct dsc_err *err)
{
    const struct dsc_check *c = row->check;
    struct dsc_interval of_margin;

    DSC_TRY(dsc_metric_value(c->metric, g->in->candidate, &row->candidate, err));
    if (g->in->baseline)
        DSC_TRY(dsc_metric_value(c->metric, g->in->baseline, &row->baseline, err));
    row->value = held(c, row->candidate, row->baseline);
    row->pass = margin(c, row->candidate, row->baseline) >= -ON_THE_BAR;
    if (c->kind == DSC_CHECK_RETAIN && !(row->baseline > 0)) {
        row->pass = false;
        snprintf(row->note, sizeof row->note, "the baseline's %s is %g: nothing to retain",
                 c->metric->name, row->baseline);
        return DSC_OK;
    }
    if (g->draws) {
        DSC_TRY(bounds(g, row, &of_margin, err));
        row->pass = of_margin.low >= -ON_THE_BAR;
        row->is_straddling = !row->pass && of_margin.high >= -ON_THE_BAR;
        if (row->is_straddling)
            note_undecided(row, &of_margin, g);
    }
    if (!row->pass && !row->note[0])
        snprintf(row->note, sizeof row->note, "%s",
                 c->kind == DSC_CHECK_MIN        ? "below the bar"
                 : c->kind == DSC_CHECK_MAX_DROP ? "a larger drop than allowed"
                                                 : "too little is retained");
    return DSC_OK;
}

static enum dsc_status decide_row(const struct gate *g, struct dsc_gate_row *row,
                                  struct dsc_err *err)
{
    switch (row->check->kind) {
    case DSC_CHECK_MAX_SIZE:
        row->value = (double)g->in->size_bytes;
        row->pass = row->value <= row->bar;
        break;
    case DSC_CHECK_MAX_PARAMS:
        row->value = (double)g->in->n_params;
        row->pass = row->value <= row->bar;
        break;
    case DSC_CHECK_MIN_SPEEDUP:
        row->value = g->in->speedup;
        row->pass = row->value >= row->bar;
        break;
    default:
        return decide_metric(g, row, err);
    }
    row->candidate = row->value;
    if (!row->pass)
        snprintf(row->note, sizeof row->note, "%s",
                 row->check->kind == DSC_CHECK_MIN_SPEEDUP  ? "too slow"
                 : row->check->kind == DSC_CHECK_MAX_PARAMS ? "too many parameters"
                                                            : "too large");
    return DSC_OK;
}

static enum dsc_status check_input(const struct dsc_gate_input *in, const struct dsc_check *checks,
                                   size_t n_checks, const struct dsc_gate_rule *rule,
                                   struct dsc_err *err)
{
    if (n_checks == 0) {
        dsc_fail(err, DSC_E_USAGE, "nothing to check");
        dsc_err_hint(err, "--min, --max-drop, --retain, --max-size, --max-params or --min-speedup");
        return DSC_E_USAGE;
    }
    if (!(rule->confidence >= 0 && rule->confidence < 1) ||
        (rule->confidence > 0 && rule->confidence < 0.5))
        return dsc_fail(err, DSC_E_USAGE, "confidence %g is not in [0.5, 1)", rule->confidence);
    if (!in->candidate && dsc_checks_need_predictions(checks, n_checks))
        return dsc_fail(err, DSC_E_USAGE, "a metric is to be checked, and there are no data");
    if (!in->baseline && dsc_checks_need_baseline(checks, n_checks)) {
        dsc_fail(err, DSC_E_USAGE, "max-drop and retain need a baseline");
        dsc_err_hint(err, "--baseline MODEL");
        return DSC_E_USAGE;
    }
    if (!(in->speedup > 0) && dsc_checks_need_speed(checks, n_checks))
        return dsc_fail(err, DSC_E_USAGE, "min-speedup needs the latency of both models");
    return DSC_OK;
}

/* One bootstrap for all metrics, on the same draws for both models. */
static enum dsc_status draw_all(struct gate *g, const struct dsc_check *checks, size_t n_checks,
                                struct dsc_arena *tmp, struct dsc_err *err)
{
    size_t n;

    DSC_NEW(g->metrics, tmp, n_checks, err);
    for (size_t i = 0; i < n_checks; i++)
        if (checks[i].metric && metric_idx(g, checks[i].metric) == g->n_metrics)
            g->metrics[g->n_metrics++] = checks[i].metric;
    if (!(g->rule->confidence > 0) || g->n_metrics == 0)
        return DSC_OK;
    g->n_draws = g->rule->bootstrap.n_draws ? g->rule->bootstrap.n_draws : DSC_BOOTSTRAP_DRAWS;
    n = g->n_metrics * g->n_draws;
    DSC_NEW(g->draws, tmp, n, err);
    DSC_NEW(g->base_draws, tmp, n, err);
    return dsc_bootstrap_run(&g->rule->bootstrap, g->metrics, g->n_metrics, g->in->candidate,
                             g->in->baseline, g->draws, g->base_draws, err);
}

enum dsc_status dsc_gate_decide(const struct dsc_gate_input *in, const struct dsc_check *checks,
                                size_t n_checks, const struct dsc_gate_rule *rule,
                                struct dsc_verdict *verdict, struct dsc_arena *arena,
                                struct dsc_err *err)
{
    struct gate g = {.in = in, .rule = rule};
    struct dsc_verdict v = {.n_rows = n_checks};
    struct dsc_arena tmp;
    enum dsc_status st;

    DSC_TRY(check_input(in, checks, n_checks, rule, err));
    DSC_NEW(v.rows, arena, n_checks, err);
    dsc_arena_init(&tmp);
    DSC_TRY_OUT(st, draw_all(&g, checks, n_checks, &tmp, err));
    for (size_t i = 0; i < n_checks; i++) {
        struct dsc_gate_row *row = &v.rows[i];
        const struct dsc_check *c = &checks[i];

        *row = (struct dsc_gate_row){.check = c, .bar = c->bar, .candidate = NAN, .baseline = NAN};
        snprintf(row->name, sizeof row->name, "%s%s%s", dsc_check_infos[c->kind].name,
                 c->metric ? " " : "", c->metric ? c->metric->name : "");
        DSC_TRY_OUT(st, decide_row(&g, row, err));
        v.n_failed += !row->pass;
    }
    v.pass = v.n_failed == 0;
    v.n_examples = in->candidate ? in->candidate->n : 0;
    if (in->candidate && in->baseline && in->candidate->y_pred && in->baseline->y_pred) {
        DSC_TRY_OUT(st, dsc_mcnemar(in->candidate, in->baseline, &v.mcnemar, err));
        v.has_mcnemar = true;
    }
    *verdict = v;
out:
    dsc_arena_clear(&tmp);
    return st;
}
