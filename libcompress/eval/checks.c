/* The bars of the gate as a user writes them. */
#include "dsc/gate.h"
#include "gate_kinds.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct dsc_check_info dsc_check_infos[DSC_N_CHECK_KINDS] = {
    [DSC_CHECK_MIN] = {"min", "f1=0.92", true, false},
    [DSC_CHECK_MAX_DROP] = {"max-drop", "f1=0.01", true, true},
    [DSC_CHECK_RETAIN] = {"retain", "f1=99%", true, true},
    [DSC_CHECK_MAX_SIZE] = {"max-size", "15MB", false, false},
    [DSC_CHECK_MAX_PARAMS] = {"max-params", "15M", false, false},
    [DSC_CHECK_MIN_SPEEDUP] = {"min-speedup", "1.5", false, false},
};

struct unit {
    const char *name;
    double factor;
};

/* "M" of a size is MB; the powers of two have to be asked for. */
static const struct unit size_units[] = {
    {"", 1},    {"B", 1},    {"k", 1e3},      {"kB", 1e3},     {"M", 1e6},      {"MB", 1e6},
    {"G", 1e9}, {"GB", 1e9}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {NULL, 0},
};
static const struct unit count_units[] = {
    {"", 1}, {"k", 1e3}, {"M", 1e6}, {"B", 1e9}, {"G", 1e9}, {NULL, 0},
};
static const struct unit ratio_units[] = {{"", 1}, {"x", 1}, {NULL, 0}};
static const struct unit fraction_units[] = {{"", 1}, {"%", 0.01}, {NULL, 0}};
static const struct unit drop_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum dsc_check_kind kind)
{
    switch (kind) {
    case DSC_CHECK_MAX_SIZE:
        return size_units;
    case DSC_CHECK_MAX_PARAMS:
        return count_units;
    case DSC_CHECK_MIN_SPEEDUP:
        return ratio_units;
    case DSC_CHECK_MAX_DROP:
        return drop_units;
    default:
        return fraction_units;
    }
}

/* A plain decimal number and one of the units, nothing else: no sign, no hex, no "inf". */
static bool parse_number(const char *s, const struct unit *units, double *value)
{
    char *end;

    if (!isdigit((unsigned char)s[0]) && !(s[0] == '.' && isdigit((unsigned char)s[1])))
        return false;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && isxdigit((unsigned char)s[2]))
        return false;
    *value = strtod(s, &end);
    for (; units->name; units++) {
        if (strcasecmp(units->name, end) != 0)
            continue;
        *value = units->factor < 1 ? *value / (1 / units->factor) : *value * units->factor;
        return isfinite(*value);
    }
    return false;
}

static enum dsc_status bad_bar(enum dsc_check_kind kind, const char *text, const char *why,
                               struct dsc_err *err)
{
    dsc_fail(err, DSC_E_USAGE, "--%s '%s': %s", dsc_check_infos[kind].name, text, why);
    dsc_err_hint(err, "it is written --%s %s", dsc_check_infos[kind].name,
                 dsc_check_infos[kind].example);
    return DSC_E_USAGE;
}

static enum dsc_status check_metric_bar(const struct dsc_check *c, const char *text,
                                        struct dsc_err *err)
{
    const struct dsc_metric *m = c->metric;
    char why[160];

    if (m->is_lower_better && c->kind != DSC_CHECK_MAX_DROP) {
        snprintf(why, sizeof why,
                 "%s is better when lower; --max-drop limits how much worse it gets", m->name);
        return bad_bar(c->kind, text, why, err);
    }
    if (c->kind == DSC_CHECK_MIN && (c->bar < m->low || c->bar > m->high)) {
        snprintf(why, sizeof why, "%s lies between %g and %g", m->name, m->low, m->high);
        return bad_bar(c->kind, text, why, err);
    }
    if (c->kind == DSC_CHECK_RETAIN && (c->bar <= 0 || c->bar > 2))
        return bad_bar(c->kind, text, "it is a part of the baseline's value", err);
    if (c->kind == DSC_CHECK_MAX_DROP && c->bar > m->high - m->low)
        return bad_bar(c->kind, text, "no drop can be as large; it is a fraction", err);
    return DSC_OK;
}

enum dsc_status dsc_check_parse(enum dsc_check_kind kind, const char *text, struct dsc_check *check,
                                struct dsc_err *err)
{
    struct dsc_check c = {.kind = kind};
    const char *number = text;

    if (dsc_check_infos[kind].has_metric) {
        const char *equals = strchr(text, '=');
        char name[64];

        if (!equals || (size_t)(equals - text) >= sizeof name)
            return bad_bar(kind, text, "not METRIC=NUMBER", err);
        snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
        DSC_TRY(dsc_metric_named(name, &c.metric, err));
        number = equals + 1;
    }
    if (!parse_number(number, units_of(kind), &c.bar))
        return bad_bar(kind, text,
                       kind == DSC_CHECK_MAX_DROP && strchr(number, '%')
                           ? "a percentage of what? A drop is absolute (0.01); --retain is relative"
                           : "not a number with a known unit",
                       err);
    if (c.metric)
        DSC_TRY(check_metric_bar(&c, text, err));
    else if (!(c.bar > 0))
        return bad_bar(kind, text, "must be above zero", err);
    *check = c;
    return DSC_OK;
}

static bool any(const struct dsc_check *checks, size_t n_checks, bool (*is)(enum dsc_check_kind))
{
    for (size_t i = 0; i < n_checks; i++)
        if (is(checks[i].kind))
            return true;
    return false;
}

static bool needs_baseline(enum dsc_check_kind k)
{
    return dsc_check_infos[k].is_paired;
}

static bool needs_speed(enum dsc_check_kind k)
{
    return k == DSC_CHECK_MIN_SPEEDUP;
}

static bool needs_predictions(enum dsc_check_kind k)
{
    return dsc_check_infos[k].has_metric;
}

bool dsc_checks_need_baseline(const struct dsc_check *checks, size_t n_checks)
{
    return any(checks, n_checks, needs_baseline);
}

bool dsc_checks_need_speed(const struct dsc_check *checks, size_t n_checks)
{
    return any(checks, n_checks, needs_speed);
}

bool dsc_checks_need_predictions(const struct dsc_check *checks, size_t n_checks)
{
    return any(checks, n_checks, needs_predictions);
}
