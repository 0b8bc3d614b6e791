/* The metric table, and one metric of all predictions. */
#include "metrics.h"

#include <string.h>

static const struct dsc_metric *const metrics[] = {
#define DSC_METRIC(name) &dsc_metric_##name,
#include "metrics.def"
#undef DSC_METRIC
    NULL,
};

const struct dsc_metric *const *dsc_metrics(void)
{
    return metrics;
}

static const struct dsc_metric *find_n(const char *name, size_t n_bytes)
{
    for (size_t i = 0; metrics[i]; i++)
        if (strlen(metrics[i]->name) == n_bytes && memcmp(metrics[i]->name, name, n_bytes) == 0)
            return metrics[i];
    return NULL;
}

const struct dsc_metric *dsc_metric_find(const char *name)
{
    return find_n(name, strlen(name));
}

static enum dsc_status no_such_metric(const char *name, size_t n_bytes, struct dsc_err *err)
{
    char list[512] = "";

    for (size_t i = 0; metrics[i]; i++) {
        strncat(list, i ? ", " : "", sizeof list - strlen(list) - 1);
        strncat(list, metrics[i]->name, sizeof list - strlen(list) - 1);
    }
    return dsc_fail(err, DSC_E_USAGE, "no metric '%.*s'; there are: %s", (int)n_bytes, name, list);
}

enum dsc_status dsc_metric_named(const char *name, const struct dsc_metric **metric,
                                 struct dsc_err *err)
{
    *metric = dsc_metric_find(name);
    return *metric ? DSC_OK : no_such_metric(name, strlen(name), err);
}

enum dsc_status dsc_metric_parse(const char *list, const struct dsc_metric *const **out,
                                 size_t *n_metrics, struct dsc_arena *arena, struct dsc_err *err)
{
    const struct dsc_metric **found;
    size_t n = 0, n_max = 1;

    for (const char *s = list; *s; s++)
        n_max += *s == ',';
    DSC_NEW(found, arena, n_max, err);
    for (const char *s = list; n < n_max; s += strcspn(s, ",") + 1) {
        const size_t n_bytes = strcspn(s, ",");
        const struct dsc_metric *m = find_n(s, n_bytes);

        if (!m)
            return no_such_metric(s, n_bytes, err);
        for (size_t i = 0; i < n; i++)
            if (found[i] == m)
                return dsc_fail(err, DSC_E_USAGE, "metric '%s' is asked for twice", m->name);
        found[n++] = m;
    }
    *out = found;
    *n_metrics = n;
    return DSC_OK;
}

enum dsc_status dsc_positive_class(const char *const *label_names, size_t n_labels,
                                   const char *name, int32_t *positive, struct dsc_err *err)
{
    const char *const *l = label_names;

    *positive = -1;
    for (size_t i = 0; name && i < n_labels; i++)
        if (strcmp(l[i], name) == 0)
            *positive = (int32_t)i;
    if (name && *positive < 0) {
        dsc_fail(err, DSC_E_USAGE, "no class '%s'", name);
        if (n_labels > 0)
            dsc_err_hint(err, "there are %zu classes, from '%s' to '%s'", n_labels, l[0],
                         l[n_labels - 1]);
        return DSC_E_USAGE;
    }
    if (!name && n_labels == 2 &&
        ((!strcmp(l[0], "0") && !strcmp(l[1], "1")) ||
         (!strcmp(l[0], "LABEL_0") && !strcmp(l[1], "LABEL_1"))))
        *positive = 1;
    return DSC_OK;
}

enum dsc_status dsc_metric_value(const struct dsc_metric *m, const struct dsc_predictions *p,
                                 double *value, struct dsc_err *err)
{
    struct dsc_arena tmp;
    struct dsc_tally tally = {0};
    struct dsc_draw draw = {.p = p, .n = p->n};
    const size_t n_tally = m->input == DSC_INPUT_LABELS ? (size_t)p->n_classes : 0;
    void *state = NULL;
    enum dsc_status st;

    DSC_TRY(dsc_predictions_check(p, m, err));
    dsc_arena_init(&tmp);
    tally.right = dsc_arena_alloc(&tmp, n_tally, 3 * sizeof(uint64_t), err);
    draw.scratch = dsc_arena_alloc(&tmp, p->n, m->n_scratch * sizeof(double), err);
    st = tally.right && draw.scratch ? DSC_OK : DSC_E_MEMORY;
    if (st == DSC_OK && n_tally > 0) {
        tally.pred = tally.right + n_tally;
        tally.truth = tally.pred + n_tally;
        dsc_tally_fill(&tally, p, NULL);
        draw.tally = &tally;
    }
    if (st == DSC_OK && m->prepare)
        st = m->prepare(p, &tmp, &state, err);
    if (st == DSC_OK)
        st = m->value(&draw, state, value, err);
    dsc_arena_clear(&tmp);
    return st;
}
