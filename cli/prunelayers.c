/* Pattern layers: which were found, which go, and the graph without them. */
#include "formats_props.h"
#include "prunerun.h"
#include "table.h"

#include <inttypes.h>

/* By the names of nodes between the layer's ends. */
static void choose_by_name(struct dsc_prunerun *r, struct dsc_prune_layers *layers)
{
    const struct dsc_graph *g = r->m.model.graph;

    for (int i = 0; i < layers->n; i++) {
        struct dsc_prune_layer *l = &layers->items[i];
        enum dsc_prune_choice best = DSC_PRUNE_LEFT_OUT;

        for (int k = l->first_node; k <= l->last_node; k++) {
            const enum dsc_prune_choice c = dsc_prunerun_choose(r, g->nodes[k]->name, 0, NULL);

            if (best != DSC_PRUNE_EXCLUDED && (c == DSC_PRUNE_EXCLUDED || c > best))
                best = c;
        }
        l->stays = best <= DSC_PRUNE_LEFT_OUT;
    }
}

static enum dsc_status report(struct dsc_prunerun *r, const struct dsc_prune_layers *layers,
                              struct dsc_err *err)
{
    struct dsc_json *json = &r->cmd->json;
    struct dsc_table table;

    dsc_table_init(&table, r->cmd->arena, ">layer,found at,");
    dsc_json_array(json, "layers");
    for (int i = 0; i < layers->n; i++) {
        const struct dsc_prune_layer *l = &layers->items[i];

        dsc_json_object(json, NULL);
        dsc_json_text(json, "name", l->name);
        dsc_json_bool(json, "removed", l->is_gone);
        dsc_json_end(json);
        dsc_table_cell(&table, "%d", i);
        dsc_table_cell(&table, "%s", l->name);
        dsc_table_cell(&table, "%s", l->is_gone ? "removed" : "stays");
    }
    dsc_json_end(json);
    return dsc_table_print(&table, r->cmd->out, err);
}

enum dsc_status dsc_prune_to_layers(struct dsc_prunerun *r, struct dsc_err *err)
{
    struct dsc_graph *g = r->m.model.graph;
    struct dsc_prune_layers layers;
    struct dsc_param_census after;

    if (dsc_prune_find_layers(g, r->cmd->arena, &layers, err) != DSC_OK)
        return dsc_err_file(err, r->cmd->args[0]);
    choose_by_name(r, &layers);
    DSC_TRY(dsc_patterns_check(&r->include, err));
    DSC_TRY(dsc_patterns_check(&r->exclude, err));
    DSC_TRY(dsc_prune_choose_layers(&layers, r->sparsity, err));
    DSC_TRY(report(r, &layers, err));
    DSC_TRY(dsc_prune_cut_layers(g, &layers, err));
    DSC_TRY(dsc_props_trim_sparsity(g, err));
    DSC_TRY(dsc_model_forget_config(g, err));
    DSC_TRY(dsc_prunerun_counts(r, (double)layers.n_gone / layers.n, &after, err));
    fprintf(r->cmd->out, "%" PRId64 " parameters, before %" PRId64 "\n", after.n_params,
            r->before.n_params);
    return DSC_OK;
}
