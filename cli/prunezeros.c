/* Patterns of zeros: the report, and what the metadata say. */
#include "formats_props.h"
#include "models.h"
#include "progress.h"
#include "prunerun.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

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

static const char *says_what_it_is_for(const struct dsc_prunerun *r,
                                       const struct dsc_mask_pattern *p)
{
    if (r->is_sparse)
        return "zeros make no model faster but in a runtime with sparse kernels";
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
            after.n_nonzero, r->before.n_nonzero, says_what_it_is_for(r, p));
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

static enum dsc_status find(struct dsc_prunerun *r, const struct dsc_mask_pattern *p,
                            struct dsc_prune_weights *w, struct dsc_err *err)
{
    const struct dsc_graph *g = r->m.model.graph;
    struct dsc_err why = {0};
    const enum dsc_status st = dsc_prune_find(g, p, dsc_prunerun_choose, r, r->cmd->arena, w, &why);

    if (st == DSC_E_UNSUPPORTED)
        for (int i = 0; i < w->n; i++)
            dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "left: %s: %s",
                           g->values[w->items[i].value].name, w->items[i].why);
    return dsc_prunerun_found(r, st, &why, err);
}

/* ---- --permute ---- */

static void report_order(struct dsc_prunerun *r, const struct dsc_prune_order *o, double sum[3])
{
    struct dsc_json *json = &r->cmd->json;

    dsc_json_object(json, NULL);
    dsc_json_text(json, "name", o->name);
    dsc_json_text(json, "why", o->why ? o->why : "");
    if (!o->why) {
        dsc_json_float(json, "kept_before", o->kept_before / o->all);
        dsc_json_float(json, "kept", o->kept / o->all);
    }
    dsc_json_end(json);
    sum[0] += o->all;
    sum[1] += o->kept_before;
    sum[2] += o->kept;
}

/* Pruned weights whose channels nobody could put in another order. */
static void say_what_stays(struct dsc_prunerun *r, const struct dsc_prune_weights *w,
                           const bool *is_reordered)
{
    for (int i = 0; i < w->n; i++)
        if (!w->items[i].why && !is_reordered[i])
            dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "its channels stay in their order: %s",
                           r->m.model.graph->values[w->items[i].value].name);
}

static void mark_reordered(const struct dsc_prune_weights *w, const struct dsc_axis_group *group,
                           bool *is_reordered)
{
    for (int i = 0; i < w->n; i++)
        for (int k = 0; k < group->n_axes; k++)
            is_reordered[i] |= group->axes[k].value == w->items[i].value &&
                               group->axes[k].axis == w->items[i].sum_axis;
}

static enum dsc_status permute(struct dsc_prunerun *r, const struct dsc_mask_pattern *p,
                               const struct dsc_prune_weights *w, struct dsc_err *err)
{
    static const enum dsc_axis_pattern kinds[] = {DSC_AXIS_FFN, DSC_AXIS_HIDDEN};
    struct dsc_graph *g = r->m.model.graph;
    struct dsc_progress progress;
    double sum[3] = {0};
    bool *is_reordered;
    int n = 0;

    DSC_NEW(is_reordered, r->cmd->arena, w->n + 1, err);
    dsc_json_array(&r->cmd->json, "channel_orders");
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct dsc_axis_groups groups;
        struct dsc_err none = {0};
        const enum dsc_status st =
            dsc_prune_find_axes(g, kinds[k], NULL, NULL, r->cmd->arena, &groups, &none);

        if (st != DSC_OK && st != DSC_E_UNSUPPORTED)
            return *err = none, st;
        for (int i = 0; i < groups.n; i++) {
            struct dsc_prune_order o;

            DSC_TRY(dsc_cmd_stopped(r->cmd, err));
            dsc_progress_begin(r->cmd, &progress, "permute", "groups", i, groups.n);
            DSC_TRY(dsc_prune_permute(g, p, w, &groups.items[i], &o, err));
            dsc_progress_end(r->cmd);
            report_order(r, &o, sum);
            if (o.why)
                continue;
            mark_reordered(w, &groups.items[i], is_reordered);
            n++;
        }
    }
    dsc_json_end(&r->cmd->json);
    if (n == 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED,
                        "--permute: no channels can be put in another "
                        "order");
    say_what_stays(r, w, is_reordered);
    fprintf(r->cmd->out,
            "%d groups of channels in another order: the mask keeps %.2f %% of their magnitudes, "
            "before %.2f %%\n",
            n, 100 * sum[2] / sum[0], 100 * sum[1] / sum[0]);
    return DSC_OK;
}

enum dsc_status dsc_prune_to_zeros(struct dsc_prunerun *r, const struct dsc_mask_pattern *p,
                                   struct dsc_err *err)
{
    struct dsc_prune_weights w;
    int64_t n_changed;

    if (r->permutes)
        DSC_TRY(dsc_prune_learn_sizes(r->m.model.graph, err));
    DSC_TRY(find(r, p, &w, err));
    if (r->permutes && permute(r, p, &w, err) != DSC_OK)
        return dsc_err_file(err, r->cmd->args[0]);
    DSC_TRY(dsc_prune_mask(r->m.model.graph, p, r->sparsity, r->is_global, &w, &n_changed, err));
    DSC_TRY(report(r, p, &w, err));
    return note(r, &w, err);
}

/* ---- while training ---- */

/*
 * At most RAMP_PRUNINGS prunings on the way to the sparsity; for the rest of the run the mask
 * stays. Until then movement shows masks only: what is hidden can come back.
 */
enum { RAMP_PRUNINGS = 50 };
static const double ramp_part = 0.7;

struct ramp {
    struct dsc_prunerun *r;
    struct dsc_trainrun *t;
    const struct dsc_mask_pattern *p;
    struct dsc_prune_weights w;
    struct dsc_graph *g; /* the trainer's weights, to be looked at */
    uint64_t n_steps, every;
};

static enum dsc_status follow(struct ramp *m, struct dsc_err *err)
{
    for (int i = 0; m->r->is_movement && i < m->w.n; i++)
        if (!m->w.items[i].why)
            DSC_TRY(dsc_trainer_follow(m->t->trainer, m->g->values[m->w.items[i].value].name, err));
    return DSC_OK;
}

/* The scores of all weights, for the length of a choice. */
static enum dsc_status mask_by_scores(struct ramp *m, double sparsity, int64_t *n_changed,
                                      struct dsc_err *err)
{
    struct dsc_tensor *scores = dsc_heap_alloc((size_t)m->w.n + 1, sizeof *scores, err);
    enum dsc_status st = scores ? DSC_OK : DSC_E_MEMORY;

    for (int i = 0; st == DSC_OK && i < m->w.n; i++) {
        if (m->w.items[i].why)
            continue;
        st = dsc_trainer_movement(m->t->trainer, m->g->values[m->w.items[i].value].name, &scores[i],
                                  err);
        m->w.items[i].score = scores[i].data;
    }
    if (st == DSC_OK)
        st = dsc_prune_mask(m->g, m->p, sparsity, m->r->is_global, &m->w, n_changed, err);
    for (int i = 0; scores && i < m->w.n; i++) {
        m->w.items[i].score = NULL;
        dsc_tensor_clear(&scores[i]);
    }
    dsc_heap_free(scores);
    return st;
}

static enum dsc_status prune_now(struct ramp *m, double sparsity, bool is_last, struct dsc_err *err)
{
    struct dsc_err none = {0};
    int64_t n_changed = 0;
    enum dsc_status st;

    DSC_TRY(dsc_trainer_write_weights(m->t->trainer, m->g, err));
    st = m->r->is_movement
             ? mask_by_scores(m, sparsity, &n_changed, &none)
             : dsc_prune_mask(m->g, m->p, sparsity, m->r->is_global, &m->w, &n_changed, &none);
    if (st == DSC_E_USAGE) /* too little more than the last time */
        return DSC_OK;
    if (st != DSC_OK)
        return *err = none, st;
    for (int i = 0; i < m->w.n; i++) {
        struct dsc_prune_weight *one = &m->w.items[i];
        const struct dsc_value *v = &m->g->values[one->value];

        if (one->why)
            continue;
        if (m->r->is_movement && !is_last) {
            DSC_TRY(dsc_trainer_hide(m->t->trainer, v->name, &v->init, err));
            continue;
        }
        one->n_zero_before = one->n_zero;
        DSC_TRY(dsc_trainer_mask(m->t->trainer, v->name, &v->init, err));
    }
    return DSC_OK;
}

static enum dsc_status after_step(void *ctx, uint64_t step, struct dsc_err *err)
{
    struct ramp *m = ctx;

    if (step > m->n_steps || (step % m->every != 0 && step != m->n_steps))
        return DSC_OK;
    return prune_now(m, dsc_prune_ramp(m->r->sparsity, step, m->n_steps), step == m->n_steps, err);
}

/* A frozen weight could not be masked: say so before minutes of training. */
static enum dsc_status check_trained(const struct ramp *m, struct dsc_err *err)
{
    for (int i = 0; i < m->w.n; i++) {
        const char *name = m->r->m.model.graph->values[m->w.items[i].value].name;
        bool is_trained = m->w.items[i].why != NULL;

        for (int k = 0; !is_trained && k < m->t->n_params; k++)
            is_trained = strcmp(m->t->graph->values[m->t->params[k].value].name, name) == 0;
        if (!is_trained)
            return dsc_fail(err, DSC_E_USAGE,
                            "'%s' is not trained: it cannot be pruned while training", name);
    }
    return DSC_OK;
}

static void count_zeros(const struct dsc_graph *g, struct dsc_prune_weights *w)
{
    for (int i = 0; i < w->n; i++) {
        struct dsc_tensor_census c;

        dsc_tensor_census(&g->values[w->items[i].value].init, false, &c);
        w->items[i].n_zero = c.n_elems - c.n_nonzero;
    }
}

enum dsc_status dsc_prune_gradually(struct dsc_prunerun *r, const struct dsc_mask_pattern *p,
                                    struct dsc_trainrun *t, struct dsc_err *err)
{
    struct ramp m = {.r = r, .t = t, .p = p};
    enum dsc_status st;

    DSC_TRY(find(r, p, &m.w, err));
    DSC_TRY(check_trained(&m, err));
    m.g = dsc_graph_copy(r->m.model.graph, err);
    if (!m.g)
        return DSC_E_MEMORY;
    m.n_steps = (uint64_t)(ramp_part * (double)t->config.n_steps);
    m.n_steps += m.n_steps == 0;
    m.every = m.n_steps / RAMP_PRUNINGS + 1;
    t->after_step = after_step;
    t->ctx = &m;
    DSC_TRY_OUT(st, follow(&m, err));
    DSC_TRY_OUT(st, dsc_trainrun_loop(t, err));
    DSC_TRY_OUT(st, dsc_trainrun_finish(t, err));
    count_zeros(r->m.model.graph, &m.w);
    DSC_TRY_OUT(st, report(r, p, &m.w, err));
    st = note(r, &m.w, err);
out:
    dsc_graph_free(m.g);
    return st;
}
