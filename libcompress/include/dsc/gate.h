/*
 * The gate: bars that a candidate must clear, against a baseline on the same examples, and the
 * verdict. Nothing is printed and nothing is measured here; the caller brings predictions, sizes
 * and timings, and shows the rows.
 */
#ifndef DSC_GATE_H
#define DSC_GATE_H

#include "dsc/eval.h"

enum dsc_check_kind {
    DSC_CHECK_MIN,      /* metric >= bar */
    DSC_CHECK_MAX_DROP, /* baseline - candidate <= bar; the other way round where lower is better */
    DSC_CHECK_RETAIN,   /* candidate / baseline >= bar */
    DSC_CHECK_MAX_SIZE, /* bytes <= bar, external data included */
    DSC_CHECK_MAX_PARAMS,  /* parameters <= bar */
    DSC_CHECK_MIN_SPEEDUP, /* baseline latency / candidate latency >= bar */
    DSC_N_CHECK_KINDS
};

/** One bar. `metric` NULL for sizes and speed. Units of bar: fraction, bytes, count, ratio. */
struct dsc_check {
    enum dsc_check_kind kind;
    const struct dsc_metric *metric;
    double bar;
};

/**
 * The value of --min, --max-drop, --retain ("f1=0.92", "f1=99%"), --max-size ("15MB", "900kB",
 * "14.5MiB", bytes without a unit), --max-params ("15M", "22.7M", "1.5B", a plain count) or
 * --min-speedup ("1.5", "1.5x"). A percentage is for --min and --retain; with --max-drop it could
 * mean two things and is refused.
 *
 * Errors  USAGE  unknown metric or unit, no number, a bar outside the metric's range, or --min and
 *                --retain of a metric that is better when lower
 */
enum dsc_status dsc_check_parse(enum dsc_check_kind kind, const char *text, struct dsc_check *check,
                                struct dsc_err *err);

/** Does any of the checks need a baseline's predictions; its latency; predictions at all? */
bool dsc_checks_need_baseline(const struct dsc_check *checks, size_t n_checks);
bool dsc_checks_need_speed(const struct dsc_check *checks, size_t n_checks);
bool dsc_checks_need_predictions(const struct dsc_check *checks, size_t n_checks);

/**
 * What is known of the two models. Predictions that no check needs may be NULL.
 *
 * Units  size_bytes, n_params of the candidate; speedup: baseline latency / candidate latency,
 *        0: not measured
 */
struct dsc_gate_input {
    const struct dsc_predictions *candidate;
    const struct dsc_predictions *baseline;
    uint64_t size_bytes;
    uint64_t n_params;
    double speedup;
};

/**
 * How to decide. confidence 0: by the point value. Otherwise by the one-sided bound of that
 * confidence: of the value for MIN, of the paired difference for MAX_DROP and RETAIN. Sizes and
 * speed are decided by their value always.
 */
struct dsc_gate_rule {
    double confidence;
    struct dsc_bootstrap bootstrap;
};

/**
 * One decided check.
 *
 * name      "min f1", "max-drop f1", "retain f1", "max-size", "max-params", "min-speedup"
 * value     what was held against the bar, in its units: the metric, the drop, the ratio, ..; NaN
 *           for the ratio to a baseline of 0
 * candidate the candidate's metric, size, count or speed-up
 * baseline  the baseline's metric; NaN where there is none
 * low, high one-sided bounds of value, when has_bounds
 * n_decide  when the bounds straddle the bar: about as many examples would decide; 0: not known
 * note      one clause that says why it failed or what is odd; "" when nothing is
 */
struct dsc_gate_row {
    char name[48];
    const struct dsc_check *check;
    double bar;
    double value;
    double candidate, baseline;
    bool has_bounds;
    double low, high;
    bool pass;
    bool is_straddling;
    uint64_t n_decide;
    char note[192];
};

/** pass: every row passed. mcnemar: information, where both models have labels. */
struct dsc_verdict {
    bool pass;
    size_t n_rows;
    struct dsc_gate_row *rows;
    size_t n_failed;
    size_t n_examples;
    bool has_mcnemar;
    struct dsc_mcnemar mcnemar;
};

/**
 * Decide all checks. A missed bar is not an error: see verdict->pass. Values within 1e-12 of a bar
 * stand on it and pass, so that 0.95 - 0.94 is a drop of 0.01.
 *
 * Memory  rows live in the arena, and point at `checks`
 * Errors  USAGE  no checks; a check that needs what `in` lacks; confidence outside [0.5, 1)
 *         as dsc_metric_value and dsc_bootstrap_run
 */
enum dsc_status dsc_gate_decide(const struct dsc_gate_input *in, const struct dsc_check *checks,
                                size_t n_checks, const struct dsc_gate_rule *rule,
                                struct dsc_verdict *verdict, struct dsc_arena *arena,
                                struct dsc_err *err);

#endif
