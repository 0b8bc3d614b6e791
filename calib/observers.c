/* The table of observers. */
#include "calib.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DSC_OBSERVER(name) extern const struct dsc_observer dsc_observer_##name;
#include "observers.def"
#undef DSC_OBSERVER

static const struct dsc_observer *const rows[] = {
#define DSC_OBSERVER(name) &dsc_observer_##name,
#include "observers.def"
#undef DSC_OBSERVER
    NULL};

const struct dsc_observer *const *dsc_observer_all(void)
{
    return rows;
}

const struct dsc_observer *dsc_observer_find(const char *name)
{
    for (int i = 0; rows[i]; i++)
        if (strcmp(rows[i]->name, name) == 0)
            return rows[i];
    return NULL;
}

static enum dsc_status fail_name(const char *name, struct dsc_err *err)
{
    char list[128] = "";
    size_t at = 0;

    for (int i = 0; rows[i] && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", rows[i]->name);
    return dsc_fail(err, DSC_E_USAGE, "there is no observer '%s'; there are %s", name, list);
}

enum dsc_status dsc_observer_parse(const char *text, const struct dsc_observer **observer,
                                   double *param, struct dsc_err *err)
{
    const char *colon = strchr(text, ':');
    char name[32], *end;

    snprintf(name, sizeof name, "%.*s", colon ? (int)(colon - text) : 31, text);
    *observer = dsc_observer_find(name);
    if (!*observer)
        return fail_name(name, err);
    *param = (*observer)->param;
    if (!colon)
        return DSC_OK;
    if (isnan(*param))
        return dsc_fail(err, DSC_E_USAGE, "the observer %s takes no parameter", name);
    *param = strtod(colon + 1, &end);
    if (end == colon + 1 || *end || !(*param > (*observer)->param_low) ||
        *param > (*observer)->param_high)
        return dsc_fail(err, DSC_E_USAGE, "%s takes a number above %g up to %g, not '%s'", name,
                        (*observer)->param_low, (*observer)->param_high, colon + 1);
    return DSC_OK;
}
