/* The tensors of a model by name. */
#include "tensorlist.h"

#include "dsc/census.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dsc_listed of_tensor(const char *name, const struct dsc_tensor *t, bool is_param)
{
    return (struct dsc_listed){.name = name,
                               .type = dsc_dtype_text(t->dtype),
                               .dtype = t->dtype,
                               .rank = t->rank,
                               .dim = t->dim,
                               .n_elems = dsc_tensor_n_elems(t),
                               .n_bytes = dsc_tensor_n_bytes(t),
                               .is_param = is_param,
                               .tensor = t};
}

static struct dsc_listed of_stored(const struct dsc_stored *s, int idx)
{
    struct dsc_listed l = {.name = s->name,
                           .type = s->type,
                           .dtype = s->dtype,
                           .rank = s->rank,
                           .dim = s->dim,
                           .n_elems = 1,
                           .n_bytes = s->n_bytes,
                           .is_param = true,
                           .stored_idx = idx};

    for (int i = 0; i < s->rank; i++)
        l.n_elems *= s->dim[i];
    return l;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dsc_listed *)a)->name, ((const struct dsc_listed *)b)->name);
}

enum dsc_status dsc_list_tensors(const struct dsc_model *m, const struct dsc_log *log,
                                 struct dsc_arena *arena, struct dsc_listed **all, int *n,
                                 struct dsc_err *err)
{
    const struct dsc_graph *g = m->graph;
    bool *is_param;

    *n = 0;
    DSC_NEW(*all, arena, (g ? g->n_values : m->tensors.n + m->n_stored) + 1, err);
    if (!g) {
        for (int i = 0; i < m->tensors.n; i++)
            (*all)[(*n)++] = of_tensor(m->tensors.items[i].name, &m->tensors.items[i].tensor, true);
        for (int i = 0; i < m->n_stored; i++)
            (*all)[(*n)++] = of_stored(&m->stored[i], i);
        return DSC_OK;
    }
    DSC_NEW(is_param, arena, g->n_values + 1, err);
    dsc_graph_mark_params(g, is_param);
    for (int i = 0; i < g->n_values; i++) {
        const struct dsc_value *v = &g->values[i];

        if (!dsc_tensor_is_present(&v->init))
            continue;
        if (v->n_uses > 0)
            (*all)[(*n)++] = of_tensor(v->name, &v->init, is_param[i]);
        else if (log)
            dsc_log_printf(log, DSC_LOG_WARNING, "initializer '%s' is not used", v->name);
    }
    qsort(*all, (size_t)*n, sizeof **all, by_name);
    return DSC_OK;
}

enum dsc_status dsc_listed_open(const struct dsc_model *m, const struct dsc_listed *l,
                                struct dsc_tensor *t, struct dsc_err *err)
{
    if (!l->tensor)
        return dsc_model_load(m, l->stored_idx, t, err);
    dsc_tensor_ref(t, l->tensor);
    return DSC_OK;
}

char *dsc_listed_text(const struct dsc_listed *l, char *text, size_t n_bytes)
{
    size_t n = (size_t)snprintf(text, n_bytes, "%s[", l->type);

    for (int i = 0; i < l->rank && n < n_bytes; i++)
        n += (size_t)snprintf(text + n, n_bytes - n, "%s%" PRId64, i ? "," : "", l->dim[i]);
    if (n < n_bytes)
        snprintf(text + n, n_bytes - n, "]");
    return text;
}
