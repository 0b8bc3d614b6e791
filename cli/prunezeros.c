/* Patterns of zeros: the report, and what the metadata say. */
#include "formats_props.h"
#include "models.h"
#include "prunerun.h"
#include "table.h"

#include <inttypes.h>

static void report_tensor(struct dsc_prunerun *r, struct dsc_table *table,
                          const struct dsc_prune_weight *w)
{
    const struct dsc_value *v = &r->m.model.graph->values[w->value];
    struct dsc_json *json = &r->cmd->json;
    char shape[128];

    dsc_json_object(json, NULL);
    dsc_json_text(json, "name", v->name);
    dsc_json_array(json, "shape");
    for (int i = 0; i < v->init.rank; i++)
        dsc_json_int(json, NULL, v->init.dim[i]);
    dsc_json_end(json);
    dsc_json_text(json, "pattern", w->why ? NULL : r->pattern);
    dsc_json_int(json, "elements", w->n_elems);
    dsc_json_int(json, "zeros", w->n_zero);
    dsc_json_text(json, "why", w->why ? w->why : "");
    dsc_json_end(json);
    if (w->why)
        return;
    dsc_table_cell(table, "%s", v->name);
    dsc_table_cell(table, "%s", dsc_type_text(r->m.model.graph, &v->type, shape, sizeof shape));
    dsc_table_cell(table, "%s", r->pattern);
    dsc_table_cell(table, "%" PRId64, w->n_zero);
    dsc_table_cell(table, "%.2f", 100 * (double)w->n_zero / (double)w->n_elems);
}

static const char *says_what_it_is_for(const struct dsc_mask_pattern *p)
{
    if (p->kind == DSC_MASK_GROUPS)
        return "zeros make the file no smaller; N:M is faster only in a runtime with kernels for "
               "it (2:4: sparse tensor cores)";
    return "zeros make the file no smaller, and no model faster but in a runtime with sparse "
           "kernels";
}

static enum dsc_status report(struct dsc_prunerun *r, const struct dsc_mask_pattern *p,
                              const struct dsc_prune_weights *w, struct dsc_err *err)
{
    struct dsc_json *json = &r->cmd->json;
    struct dsc_param_census after;
    struct dsc_table table;
    int64_t n_elems = 0, n_zero = 0;

    dsc_table_init(&table, r->cmd->arena, "tensor,type,pattern,>zeros,>%");
    dsc_json_array(json, "tensors");
    for (int i = 0; i < w->n; i++) {
        report_tensor(r, &table, &w->items[i]);
        n_elems += w->items[i].why ? 0 : w->items[i].n_elems;
        n_zero += w->items[i].why ? 0 : w->items[i].n_zero;
    }
    dsc_json_end(json);
    DSC_TRY(dsc_prunerun_counts(r, (double)n_zero / (double)n_elems, &after, err));
    DSC_TRY(dsc_table_print(&table, r->cmd->out, err));
    fprintf(r->cmd->out,
            "%d of %d tensors, %.2f %% zeros in them; of %" PRId64 " parameters %" PRId64
            " are nonzero (before: %" PRId64 ")\n%s\n",
            w->n_chosen, w->n, 100 * (double)n_zero / (double)n_elems, after.n_params,
            after.n_nonzero, r->before.n_nonzero, says_what_it_is_for(p));
    return DSC_OK;
}

static enum dsc_status note(struct dsc_prunerun *r, const struct dsc_prune_weights *w,
                            struct dsc_err *err)
{
    const char **names;
    size_t n = 0;

    DSC_NEW(names, r->cmd->arena, w->n_chosen + 1, err);
    for (int i = 0; i < w->n; i++)
        if (!w->items[i].why)
            names[n++] = r->m.model.graph->values[w->items[i].value].name;
    return dsc_props_add_sparsity(r->m.model.graph, names, n, r->pattern, err);
}

enum dsc_status dsc_prune_to_zeros(struct dsc_prunerun *r, const struct dsc_mask_pattern *p,
                                   struct dsc_err *err)
{
    struct dsc_graph *g = r->m.model.graph;
    struct dsc_prune_weights w;
    struct dsc_err why = {0};
    int64_t n_changed;
    const enum dsc_status st =
        dsc_prune_find(g, p, dsc_prunerun_choose, r, r->cmd->arena, &w, &why);

    if (st == DSC_E_UNSUPPORTED)
        for (int i = 0; i < w.n; i++)
            dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "left: %s: %s",
                           g->values[w.items[i].value].name, w.items[i].why);
    DSC_TRY(dsc_prunerun_found(r, st, &why, err));
    DSC_TRY(dsc_prune_mask(g, p, r->sparsity, r->is_global, &w, &n_changed, err));
    DSC_TRY(report(r, p, &w, err));
    return note(r, &w, err);
}
