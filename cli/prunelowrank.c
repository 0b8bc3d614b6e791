/* Pattern lowrank: layers in two factors, by their weights or by what they read in rows of data. */
#include "dsc/lowrank.h"
#include "formats_props.h"
#include "models.h"
#include "progress.h"
#include "prunerun.h"
#include "steps.h"
#include "table.h"

#include <inttypes.h>

struct lowrank {
    struct dsc_prunerun *r;
    struct dsc_device *dev;
    struct dsc_lowrank_layers layers;
    int n_done;
};

static struct dsc_graph *graph_of(const struct lowrank *w)
{
    return w->r->m.model.graph;
}

static enum dsc_status find(struct lowrank *w, struct dsc_err *err)
{
    const struct dsc_mask_pattern any = {.kind = DSC_MASK_ELEMENTS};
    struct dsc_prunerun *r = w->r;
    struct dsc_prune_weights weights;
    struct dsc_err why = {0};
    enum dsc_status st =
        dsc_prune_find(graph_of(w), &any, dsc_prunerun_choose, r, r->cmd->arena, &weights, &why);

    if (st == DSC_OK)
        st = dsc_lowrank_find(graph_of(w), &weights, r->rank, r->sparsity, r->cmd->arena,
                              &w->layers, &why);
    for (int i = 0; st == DSC_E_UNSUPPORTED && i < w->layers.n; i++)
        dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "left: %s: %s",
                       graph_of(w)->values[w->layers.items[i].weight].name, w->layers.items[i].why);
    return dsc_prunerun_found(r, st, &why, err);
}

static enum dsc_status put(struct lowrank *w, struct dsc_lowrank_layer *l, const float *gram,
                           struct dsc_err *err)
{
    DSC_TRY(dsc_cmd_stopped(w->r->cmd, err));
    if (dsc_lowrank_put(graph_of(w), l, gram, w->dev, err) != DSC_OK)
        return dsc_err_where(err, "'%s'", graph_of(w)->values[l->weight].name);
    dsc_progress_update(w->r->cmd->progress, ++w->n_done, NULL, 0);
    return DSC_OK;
}

/* ---- by data ---- */

static bool is_by_data(const struct dsc_lowrank_layer *l)
{
    return !l->why && !l->is_lookup;
}

/* What the layers read, each once. */
static enum dsc_status list_inputs(const struct lowrank *w, struct dsc_layer_input **inputs, int *n,
                                   struct dsc_err *err)
{
    *n = 0;
    DSC_NEW(*inputs, w->r->cmd->arena, w->layers.n + 1, err);
    for (int i = 0; i < w->layers.n; i++) {
        const struct dsc_lowrank_layer *l = &w->layers.items[i];
        bool is_listed = !is_by_data(l);

        for (int k = 0; k < *n && !is_listed; k++)
            is_listed = (*inputs)[k].value == l->input;
        if (!is_listed)
            (*inputs)[(*n)++] = (struct dsc_layer_input){.value = l->input, .k = l->n_in};
    }
    return DSC_OK;
}

static enum dsc_status put_group(struct lowrank *w, struct dsc_steps *steps,
                                 struct dsc_layer_input *inputs, int n, struct dsc_err *err)
{
    enum dsc_status st = DSC_OK;

    for (int i = 0; i < n && st == DSC_OK; i++)
        st = dsc_layer_input_open(&inputs[i], inputs[i].k, DSC_INPUT_GRAM, err);
    if (st == DSC_OK)
        st = dsc_steps_to(steps, inputs, n, err);
    for (int i = 0; i < n && st == DSC_OK; i++) {
        if (inputs[i].n_tokens == 0)
            st = dsc_fail(err, DSC_E_EMPTY, "'%s' was not computed for any row",
                          steps->g->values[inputs[i].value].name);
        for (int k = 0; k < w->layers.n && st == DSC_OK; k++)
            if (is_by_data(&w->layers.items[k]) && w->layers.items[k].input == inputs[i].value)
                st = put(w, &w->layers.items[k], inputs[i].h, err);
    }
    for (int i = 0; i < n; i++)
        dsc_layer_input_close(&inputs[i]);
    dsc_heap_trim();
    return st;
}

static enum dsc_status put_in_steps(struct lowrank *w, struct dsc_steps *steps, struct dsc_err *err)
{
    struct dsc_layer_input *inputs;
    int n;

    DSC_TRY(list_inputs(w, &inputs, &n, err));
    DSC_TRY(dsc_steps_open(steps, err));
    dsc_steps_sort(steps, inputs, n);
    for (int at = 0, part; at < n; at += part) {
        part = dsc_steps_together(steps, inputs + at, n - at);
        DSC_TRY(put_group(w, steps, inputs + at, part, err));
    }
    return DSC_OK;
}

static enum dsc_status put_by_data(struct lowrank *w, const struct dsc_dataset *rows,
                                   struct dsc_err *err)
{
    struct dsc_prunerun *r = w->r;
    struct dsc_dataset some = *rows; /* that is closed elsewhere */
    struct dsc_steps steps = {
        .cmd = r->cmd, .m = &r->m, .d = &some, .batch = r->batch, .dev = w->dev};
    enum dsc_status st;

    some.n = dsc_dataset_n_own(&some); /* without those that have no label */
    some.more = NULL;
    DSC_TRY(dsc_dataset_spread(&some, (size_t)r->calib_rows, r->cmd->arena, err));
    dsc_json_int(&r->cmd->json, "calib_rows", (int64_t)some.n);
    st = put_in_steps(w, &steps, err);
    dsc_steps_close(&steps);
    return st;
}

/* ---- the whole ---- */

static enum dsc_status put_all(struct lowrank *w, const struct dsc_dataset *rows,
                               struct dsc_err *err)
{
    struct dsc_graph *g = graph_of(w);

    if (rows)
        DSC_TRY(put_by_data(w, rows, err));
    for (int i = 0; i < w->layers.n; i++)
        if (!w->layers.items[i].why && !(rows && is_by_data(&w->layers.items[i])))
            DSC_TRY(put(w, &w->layers.items[i], NULL, err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}

static void report_layer(const struct lowrank *w, const struct dsc_lowrank_layer *l,
                         const char *name, struct dsc_table *table)
{
    struct dsc_json *json = &w->r->cmd->json;

    dsc_json_object(json, NULL);
    dsc_json_text(json, "name", name);
    dsc_json_text(json, "why", l->why ? l->why : "");
    if (!l->why) {
        dsc_json_int(json, "inputs", l->n_in);
        dsc_json_int(json, "outputs", l->n_out);
        dsc_json_int(json, "rank", l->rank);
        dsc_json_float(json, "kept", l->kept);
    }
    dsc_json_end(json);
    if (l->why)
        return;
    dsc_table_cell(table, "%s", name);
    dsc_table_cell(table, "%" PRId64 " x %" PRId64, l->n_in, l->n_out);
    dsc_table_cell(table, "%" PRId64, l->rank);
    dsc_table_cell(table, "%.2f", 100 * l->kept);
}

static enum dsc_status report(struct lowrank *w, const char *const *names, bool has_rows,
                              struct dsc_err *err)
{
    struct dsc_prunerun *r = w->r;
    struct dsc_param_census after;
    struct dsc_table table;
    int64_t n_before = 0, n_after = 0;

    dsc_table_init(&table, r->cmd->arena,
                   has_rows ? "layer,inputs x outputs,>rank,>% of its outputs kept"
                            : "layer,inputs x outputs,>rank,>% of its weights kept");
    dsc_json_array(&r->cmd->json, "tensors");
    for (int i = 0; i < w->layers.n; i++) {
        const struct dsc_lowrank_layer *l = &w->layers.items[i];

        report_layer(w, l, names[i], &table);
        n_before += l->why ? 0 : l->n_in * l->n_out;
        n_after += l->why ? 0 : l->rank * (l->n_in + l->n_out);
    }
    dsc_json_end(&r->cmd->json);
    DSC_TRY(dsc_prunerun_counts(r, 1 - (double)n_after / (double)n_before, &after, err));
    DSC_TRY(dsc_table_print(&table, r->cmd->out, err));
    fprintf(r->cmd->out,
            "%d of %d tensors in two factors: %.2f %% of their weights and operations are gone\n"
            "%" PRId64 " parameters, before %" PRId64 "\n",
            w->layers.n_chosen, w->layers.n, 100 * (1 - (double)n_after / (double)n_before),
            after.n_params, r->before.n_params);
    return DSC_OK;
}

/* Both factors of each layer. */
static enum dsc_status note(struct lowrank *w, struct dsc_err *err)
{
    struct dsc_graph *g = graph_of(w);
    const char **names;
    size_t n = 0;

    DSC_NEW(names, w->r->cmd->arena, 2 * w->layers.n_chosen + 1, err);
    for (int i = 0; i < w->layers.n; i++) {
        const struct dsc_lowrank_layer *l = &w->layers.items[i];

        if (l->why)
            continue;
        names[n++] = g->values[l->weight].name;
        names[n++] = g->values[l->second].name;
    }
    return dsc_props_add_sparsity(g, names, n, w->r->pattern, err);
}

enum dsc_status dsc_prune_open_lowrank(struct dsc_prunerun *r, struct dsc_dataset *d,
                                       struct dsc_err *err)
{
    const char *data = dsc_opt_text(r->cmd, DSC_OPT_data);

    if (!data && !dsc_opt_is_set(r->cmd, DSC_OPT_train))
        return DSC_OK;
    r->calib_rows = dsc_opt_int(r->cmd, DSC_OPT_calib_rows);
    r->batch = dsc_opt_int(r->cmd, DSC_OPT_batch);
    return data ? dsc_textmodel_data(&r->m, r->cmd, data, DSC_PART_ALL, false, d, err) : DSC_OK;
}

enum dsc_status dsc_prune_to_lowrank(struct dsc_prunerun *r, const struct dsc_dataset *rows,
                                     struct dsc_device *dev, struct dsc_err *err)
{
    struct lowrank w = {.r = r, .dev = dev};
    struct dsc_progress progress;
    const char **names;
    enum dsc_status st;

    DSC_TRY(find(&w, err));
    DSC_NEW(names, r->cmd->arena, w.layers.n + 1, err);
    for (int i = 0; i < w.layers.n; i++)
        names[i] = graph_of(&w)->values[w.layers.items[i].weight].name;
    dsc_progress_begin(r->cmd, &progress, "factor", "layers", 0, w.layers.n_chosen);
    st = put_all(&w, rows, err);
    dsc_progress_end(r->cmd);
    if (st != DSC_OK)
        return dsc_err_file(err, r->cmd->args[0]);
    DSC_TRY(report(&w, names, rows != NULL, err));
    DSC_TRY(note(&w, err));
    return dsc_model_forget_config(graph_of(&w), err);
}
