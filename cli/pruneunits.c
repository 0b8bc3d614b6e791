/* Patterns of units: what was found, what goes, and the smaller graph. */
#include "formats_props.h"
#include "models.h"
#include "prunerun.h"
#include "table.h"

#include <inttypes.h>
#include <math.h>

/* Shapes of a group's constants, which a cut changes. */
static void report_tensors(struct dsc_prunerun *r, const struct dsc_axis_group *group)
{
    const struct dsc_graph *g = r->m.model.graph;
    struct dsc_json *json = &r->cmd->json;

    dsc_json_array(json, "tensors");
    for (int k = 0; k < group->n_axes; k++) {
        const struct dsc_tied_axis *a = &group->axes[k];
        int64_t n_gone = 0;

        if (!dsc_tensor_is_present(&g->values[a->value].init))
            continue;
        for (int64_t i = 0; i < a->n; i++)
            n_gone += group->is_gone[a->unit[i]];
        dsc_json_object(json, NULL);
        dsc_json_text(json, "name", g->values[a->value].name);
        dsc_json_int(json, "axis", a->axis);
        dsc_json_int(json, "size_before", a->n);
        dsc_json_int(json, "size", a->n - n_gone);
        dsc_json_bool(json, "is_summed", a->is_summed);
        dsc_json_end(json);
    }
    dsc_json_end(json);
}

static void report_group(struct dsc_prunerun *r, const struct dsc_axis_group *group,
                         struct dsc_table *table)
{
    struct dsc_json *json = &r->cmd->json;

    dsc_json_object(json, NULL);
    dsc_json_text(json, "name", group->name);
    dsc_json_int(json, "units", group->n_units);
    dsc_json_int(json, "removed", group->n_gone);
    dsc_json_array(json, "removed_units");
    for (int u = 0; u < group->n_units; u++)
        if (group->is_gone[u])
            dsc_json_int(json, NULL, u);
    dsc_json_end(json);
    dsc_json_text(json, "why", group->why ? group->why : "");
    report_tensors(r, group);
    dsc_json_end(json);
    if (group->why)
        return;
    dsc_table_cell(table, "%s", group->name);
    dsc_table_cell(table, "%d", group->n_units);
    dsc_table_cell(table, "%d", group->n_units - group->n_gone);
}

static enum dsc_status report_groups(struct dsc_prunerun *r, const struct dsc_axis_groups *groups,
                                     double *sparsity, struct dsc_err *err)
{
    struct dsc_table table;
    int64_t n_units = 0, n_gone = 0;

    dsc_table_init(&table, r->cmd->arena, "found at,>units,>kept");
    dsc_json_array(&r->cmd->json, "groups");
    for (int i = 0; i < groups->n; i++) {
        report_group(r, &groups->items[i], &table);
        n_units += groups->items[i].n_units;
        n_gone += groups->items[i].n_gone;
    }
    dsc_json_end(&r->cmd->json);
    *sparsity = (double)n_gone / (double)n_units;
    return dsc_table_print(&table, r->cmd->out, err);
}

/* The constants of the groups that shrink; names that stand in two groups may stand twice. */
static enum dsc_status note(struct dsc_prunerun *r, const struct dsc_axis_groups *groups,
                            struct dsc_err *err)
{
    const struct dsc_graph *g = r->m.model.graph;
    const char **names;
    size_t n = 0;

    DSC_NEW(names, r->cmd->arena, g->n_values + 1, err);
    for (int i = 0; i < groups->n; i++)
        for (int k = 0; groups->items[i].n_gone > 0 && k < groups->items[i].n_axes; k++) {
            const struct dsc_value *v = &g->values[groups->items[i].axes[k].value];

            if (dsc_tensor_is_present(&v->init) && n < (size_t)g->n_values)
                names[n++] = v->name;
        }
    return dsc_props_add_sparsity(r->m.model.graph, names, n, r->pattern, err);
}

/* ---- --importance taylor ---- */

enum { TAYLOR_BATCHES = 16 };

struct looking {
    struct dsc_prunerun *r;
    struct dsc_axis_groups *groups;
    double **sums; /* [n groups][n_units] */
};

static enum dsc_status gradient(void *ctx, int value, struct dsc_tensor *t, struct dsc_err *err)
{
    struct dsc_prunerun *r = ctx;

    return dsc_trainer_gradient(r->taylor->trainer, r->m.model.graph->values[value].name, t, err);
}

static enum dsc_status visit(void *ctx, struct dsc_err *err)
{
    struct looking *l = ctx;

    for (int i = 0; i < l->groups->n; i++)
        if (!l->groups->items[i].why)
            DSC_TRY(dsc_prune_add_taylor(l->r->m.model.graph, &l->groups->items[i], gradient, l->r,
                                         l->sums[i], err));
    return DSC_OK;
}

/* Scores: the root of the mean square over the batches. */
static enum dsc_status score_by_taylor(struct dsc_prunerun *r, struct dsc_axis_groups *groups,
                                       struct dsc_err *err)
{
    struct looking l = {.r = r, .groups = groups};
    const uint64_t n_all =
        dsc_train_steps_per_epoch((int64_t)r->taylor->train.n, r->taylor->config.batch);
    const int n = n_all < TAYLOR_BATCHES ? (int)n_all : TAYLOR_BATCHES;

    DSC_NEW(l.sums, r->cmd->arena, groups->n, err);
    for (int i = 0; i < groups->n; i++)
        DSC_NEW(l.sums[i], r->cmd->arena, groups->items[i].n_units + 1, err);
    DSC_TRY(dsc_trainrun_look(r->taylor, n, visit, &l, err));
    for (int i = 0; i < groups->n; i++)
        for (int u = 0; u < groups->items[i].n_units; u++)
            groups->items[i].score[u] = sqrt(l.sums[i][u] / n);
    groups->is_comparable = true;
    dsc_trainrun_release(r->taylor);
    return DSC_OK;
}

enum dsc_status dsc_prune_to_units(struct dsc_prunerun *r, enum dsc_axis_pattern p,
                                   struct dsc_err *err)
{
    struct dsc_graph *g = r->m.model.graph;
    struct dsc_axis_groups groups;
    struct dsc_param_census after;
    struct dsc_err why = {0};
    double sparsity;
    enum dsc_status st;

    DSC_TRY(dsc_prune_learn_sizes(g, err));
    st = dsc_prune_find_axes(g, p, dsc_prunerun_choose, r, r->cmd->arena, &groups, &why);
    for (int i = 0; st == DSC_E_UNSUPPORTED && i < groups.n; i++)
        dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "left: %s: %s", groups.items[i].name,
                       groups.items[i].why);
    DSC_TRY(dsc_prunerun_found(r, st, &why, err));
    if (r->taylor)
        DSC_TRY(score_by_taylor(r, &groups, err));
    DSC_TRY(dsc_prune_choose(&groups, r->sparsity, r->is_global, err));
    DSC_TRY(report_groups(r, &groups, &sparsity, err));
    DSC_TRY(note(r, &groups, err)); /* by value numbers of the graph as it is */
    DSC_TRY(dsc_prune_cut(g, &groups, err));
    DSC_TRY(dsc_model_forget_config(g, err));
    DSC_TRY(dsc_prunerun_counts(r, sparsity, &after, err));
    fprintf(r->cmd->out, "%" PRId64 " parameters, before %" PRId64 "\n", after.n_params,
            r->before.n_params);
    return DSC_OK;
}
