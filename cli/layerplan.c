/* Formats of layers, chosen from the table of sensitivity or read from a plan. */
#include "layerplan.h"

#include "formats_plan.h"
#include "formats_props.h"
#include "output.h"
#include "progress.h"

#include <math.h>
#include <string.h>

/* More than the metadata that are written last take, beside those that are there. */
enum { OWN_BYTES = 4096 };

const char *const dsc_layer_format_names[DSC_N_LAYER_FORMATS] = {[DSC_LAYER_FLOAT] = "float",
                                                                 [DSC_LAYER_W8A8] = "w8a8",
                                                                 [DSC_LAYER_W4A8] = "w4a8",
                                                                 [DSC_LAYER_W3A8] = "w3a8"};

int dsc_layer_format_find(const char *name)
{
    for (int i = 0; i < DSC_N_LAYER_FORMATS; i++)
        if (strcmp(dsc_layer_format_names[i], name) == 0)
            return i;
    return -1;
}

/* The matrix of a layer; DSC_NO_VALUE of a product of two activations. */
static int weight_of(const struct dsc_graph *g, const struct dsc_node *n)
{
    for (int k = 0; k < n->n_in && k < 2; k++)
        if (n->in[k] != DSC_NO_VALUE && dsc_tensor_is_present(&g->values[n->in[k]].init) &&
            g->values[n->in[k]].init.rank == 2)
            return n->in[k];
    return DSC_NO_VALUE;
}

static int64_t n_scales(const struct dsc_quant_plan *plan, int value, const struct dsc_tensor *w)
{
    for (int i = 0; i < plan->n_sites; i++)
        if (plan->sites[i].value == value)
            return plan->sites[i].axis < 0 ? 1 : w->dim[plan->sites[i].axis];
    return 1;
}

static int64_t code_bytes(const struct dsc_tensor *w, enum dsc_layer_format format)
{
    const int64_t n = w->dim[0] * w->dim[1];

    if (format == DSC_LAYER_W3A8)
        return dsc_quant_word_bytes(w->dim[0], w->dim[1]);
    return format == DSC_LAYER_W4A8 ? (n + 1) / 2 : n;
}

/* Bytes of layer plan->fates[fate]'s weights and their scales. One that layers share is the first
 * layer's. */
static int64_t weight_bytes(const struct dsc_graph *g, const struct dsc_quant_plan *plan, int fate,
                            enum dsc_layer_format format)
{
    const struct dsc_tensor *w;
    int value = weight_of(g, plan->fates[fate].node);

    for (int i = 0; i < fate && value != DSC_NO_VALUE; i++)
        if (plan->fates[i].is_quantized && weight_of(g, plan->fates[i].node) == value)
            value = DSC_NO_VALUE;
    if (value == DSC_NO_VALUE)
        return 0;
    w = &g->values[value].init;
    if (format == DSC_LAYER_FLOAT)
        return 4 * dsc_tensor_n_elems(w);
    /* scale, zero point, scale of the bias */
    return code_bytes(w, format) + 9 * n_scales(plan, value, w);
}

enum dsc_layer_format dsc_layer_format_same(void *ctx, const char *node)
{
    return *(const enum dsc_layer_format *)ctx;
}

/* Of the file with all layers in one format. */
static enum dsc_status quantized_bytes(struct dsc_sensitivity *s, enum dsc_layer_format format,
                                       uint64_t *n_bytes, struct dsc_err *err)
{
    struct dsc_graph *g;
    enum dsc_status st;

    DSC_TRY(dsc_quantrun_variant(s->q, dsc_layer_format_same, &format, &g, err));
    st = dsc_quant_finish(g, &s->q->target, err);
    if (st == DSC_OK)
        st = dsc_onnx_size(g, n_bytes, err);
    dsc_graph_free(g);
    return st;
}

/* Before anything is measured: can the target be met? */
static enum dsc_status check_target(const struct dsc_sensitivity *s, int n_layers,
                                    struct dsc_err *err)
{
    uint64_t least = s->base_bytes;

    for (int i = 0; i < n_layers; i++) {
        const struct dsc_layer_cost *cost = s->layers[i].cost;
        int64_t n_bytes = cost[DSC_LAYER_FLOAT].size_bytes;

        for (int f = 0; f < s->n_formats; f++)
            n_bytes = cost[f].size_bytes < n_bytes ? cost[f].size_bytes : n_bytes;
        least += (uint64_t)n_bytes;
    }
    if (s->target_bytes == 0 || s->target_bytes + OWN_BYTES >= least)
        return DSC_OK;
    dsc_fail(err, DSC_E_CHECK,
             "the model cannot be made as small as %.3f MB; the nearest is %.3f MB",
             (double)s->target_bytes / 1e6, (double)least / 1e6);
    return dsc_err_hint(err, "--target-size %llu", (unsigned long long)least);
}

/* What a file has once, if a layer is in this format. */
static int64_t book_bytes(enum dsc_layer_format format)
{
    return format == DSC_LAYER_W3A8 ? dsc_quant_codebook_bytes() : 0;
}

/* The nodes, names and scales around layers are an equal share of what all of them in this format
 * add to the file beside their weights: that is exact for all of them, the smallest such file. */
static enum dsc_status add_spelling(struct dsc_sensitivity *s, enum dsc_layer_format format,
                                    uint64_t n_float, int n_layers, struct dsc_err *err)
{
    uint64_t n_quantized;
    int64_t spelling, share;

    DSC_TRY(quantized_bytes(s, format, &n_quantized, err));
    spelling = (int64_t)n_quantized - (int64_t)n_float - book_bytes(format);
    for (int i = 0; i < n_layers; i++)
        spelling +=
            s->layers[i].cost[DSC_LAYER_FLOAT].size_bytes - s->layers[i].cost[format].size_bytes;
    share = (spelling > 0 ? spelling + n_layers - 1 : 0) / n_layers;
    for (int i = 0; i < n_layers; i++)
        s->layers[i].cost[format].size_bytes += share;
    return DSC_OK;
}

enum dsc_status dsc_layer_sizes(struct dsc_sensitivity *s, struct dsc_err *err)
{
    const struct dsc_graph *g = s->m->model.graph;
    const struct dsc_quant_plan *plan = &s->q->plan;
    const char *parent = dsc_graph_prop(g, DSC_PROP_PROVENANCE);
    uint64_t n_float;
    int k = 0;

    DSC_TRY(dsc_textmodel_store(s->m, err)); /* the metadata that will be in the file */
    DSC_TRY(dsc_onnx_size(g, &n_float, err));
    s->base_bytes = n_float + OWN_BYTES + (parent ? strlen(parent) : 0); /* quoted once more */
    for (int i = 0; i < plan->n_fates; i++) {
        struct dsc_layer_costs *l = &s->layers[k];

        if (!plan->fates[i].is_quantized)
            continue;
        for (int f = 0; f < DSC_N_LAYER_FORMATS; f++)
            l->cost[f].size_bytes = weight_bytes(g, plan, i, (enum dsc_layer_format)f);
        s->base_bytes -= (uint64_t)l->cost[DSC_LAYER_FLOAT].size_bytes;
        k++;
    }
    for (int f = DSC_LAYER_FLOAT + 1; f < s->n_formats; f++) {
        s->base_bytes += (uint64_t)book_bytes((enum dsc_layer_format)f);
        DSC_TRY(add_spelling(s, (enum dsc_layer_format)f, n_float, k, err));
    }
    return check_target(s, k, err);
}

enum dsc_status dsc_layer_logits(struct dsc_sensitivity *s, dsc_format_of_fn *format_of, void *ctx,
                                 const struct dsc_dataset *rows, const char *what, float **logits,
                                 struct dsc_err *err)
{
    struct dsc_progress progress;
    struct dsc_graph *g = NULL;
    struct dsc_session *session;
    enum dsc_status st;

    if (format_of)
        DSC_TRY(dsc_quantrun_variant(s->q, format_of, ctx, &g, err));
    st = dsc_session_open(&session, g ? g : s->m->model.graph, s->dev, err);
    if (st == DSC_OK) {
        dsc_progress_begin(s->cmd, &progress, what, "examples", 0, (int64_t)rows->n);
        st = dsc_textmodel_predict(s->m, s->cmd, session, rows, s->batch, logits, &s->n_cols, err);
        dsc_progress_end(s->cmd);
        dsc_session_close(session);
    }
    dsc_graph_free(g);
    return st;
}

enum dsc_status dsc_layer_file_write(const char *path, const struct dsc_json *j, bool may_replace,
                                     struct dsc_err *err)
{
    struct dsc_out out = {0};
    enum dsc_status st;

    if (j->text.is_failed)
        return dsc_fail(err, DSC_E_MEMORY, "no memory for the report of layers");
    DSC_TRY(dsc_out_open(&out, path, may_replace, err));
    dsc_out_write(&out, j->text.data, j->text.n_bytes);
    dsc_out_text(&out, "\n");
    st = dsc_out_commit(&out, err);
    dsc_out_abort(&out);
    return st;
}

/* ---- plans ---- */

enum dsc_layer_format dsc_sensitivity_format(void *ctx, const char *node)
{
    const struct dsc_sensitivity *s = ctx;

    for (int i = 0; i < s->n_layers; i++)
        if (strcmp(s->layers[i].name, node) == 0)
            return s->layers[i].format;
    return s->plan ? DSC_LAYER_FLOAT : DSC_LAYER_W8A8;
}

enum dsc_status dsc_sensitivity_use_formats(struct dsc_sensitivity *s, struct dsc_err *err)
{
    s->q->format_of = dsc_sensitivity_format;
    s->q->format_ctx = s;
    return dsc_quantrun_plan(s->q, err);
}

static void formats_json(const struct dsc_sensitivity *s, struct dsc_json *j)
{
    dsc_json_text(j, "model", s->model);
    dsc_json_array(j, "layers");
    for (int i = 0; i < s->n_layers; i++) {
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", s->layers[i].name);
        dsc_json_text(j, "format", dsc_layer_format_names[s->layers[i].format]);
        dsc_json_end(j);
    }
    dsc_json_end(j);
}

static enum dsc_status save_plan(const struct dsc_sensitivity *s, struct dsc_err *err)
{
    struct dsc_json j = {0};
    enum dsc_status st;

    if (!s->save_plan)
        return DSC_OK;
    dsc_json_object(&j, NULL);
    dsc_json_text(&j, "schema", DSC_PLAN_SCHEMA);
    if (s->n_held_out > 0) {
        dsc_json_text(&j, "calib", s->calib);
        dsc_json_int(&j, "calib_rows", s->n_calib);
        dsc_json_int(&j, "held_out", s->n_held_out);
    }
    formats_json(s, &j);
    dsc_json_end(&j);
    st = dsc_layer_file_write(s->save_plan, &j, s->may_replace, err);
    dsc_json_clear(&j);
    return st;
}

static enum dsc_status unknown_format(const struct dsc_layer_row *row, struct dsc_err *err)
{
    char names[64] = "";
    size_t at = 0;

    for (int i = 0; i < DSC_N_LAYER_FORMATS && at < sizeof names; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "",
                               dsc_layer_format_names[i]);
    return dsc_fail(err, DSC_E_UNSUPPORTED, "layer '%s' is to be '%s'; there are %s", row->name,
                    row->format, names);
}

static enum dsc_status take_row(struct dsc_sensitivity *s, const struct dsc_layer_row *row,
                                struct dsc_err *err)
{
    const int format = dsc_layer_format_find(row->format);

    if (format < 0)
        return unknown_format(row, err);
    if (format != DSC_LAYER_FLOAT)
        DSC_TRY(dsc_quantrun_check_scheme(s->q, row->format, err));
    for (int i = 0; i < s->q->plan.n_fates; i++) {
        const struct dsc_quant_fate *fate = &s->q->plan.fates[i];

        if (!fate->is_quantized || strcmp(fate->node->name, row->name) != 0)
            continue;
        s->layers[s->n_layers++] =
            (struct dsc_layer_costs){.name = row->name, .format = (enum dsc_layer_format)format};
        return DSC_OK;
    }
    return dsc_fail(err, DSC_E_INCONSISTENT, "the model has no layer '%s'", row->name);
}

enum dsc_status dsc_sensitivity_read_plan(struct dsc_sensitivity *s, struct dsc_dataset *calib,
                                          struct dsc_err *err)
{
    struct dsc_layer_file f;
    int n_layers = 0;

    DSC_TRY(dsc_layer_file_read(&f, s->plan, DSC_PLAN_SCHEMA, s->cmd->arena, err));
    DSC_TRY(dsc_provenance_file(s->cmd, "plan", s->plan, err));
    DSC_TRY(dsc_provenance_hash_model(s->m->path, s->model, err));
    if (strcmp(f.model, s->model) != 0) {
        dsc_fail(err, DSC_E_INCONSISTENT, "the plan is of another model (sha256 %.12s..)", f.model);
        return dsc_err_file(err, s->plan);
    }
    DSC_NEW(s->layers, s->cmd->arena, f.n_rows, err);
    for (int i = 0; i < f.n_rows; i++)
        if (take_row(s, &f.rows[i], err) != DSC_OK)
            return dsc_err_file(err, s->plan);
    for (int i = 0; i < s->q->plan.n_fates; i++)
        n_layers += s->q->plan.fates[i].is_quantized;
    if (f.n_held_out > 0 && calib->n == (size_t)f.n_calib &&
        strcmp(f.calib, calib->report.sha256) == 0)
        dsc_sensitivity_cut_off(calib, (size_t)f.n_held_out, &s->rows);
    if (n_layers != s->n_layers) /* left out by --exclude when it was made */
        dsc_log_printf(&s->cmd->log, DSC_LOG_WARNING,
                       "%d of the model's %d layers are not in the plan: they stay float",
                       n_layers - s->n_layers, n_layers);
    return DSC_OK;
}

/* ---- allocation ---- */

struct allocation {
    struct dsc_sensitivity *s;
    struct dsc_front front;
    int *format_of;
    int n_trials;
    double value; /* of the first bar, in the last trial */
};

static enum dsc_status fill_front(struct allocation *a, struct dsc_err *err)
{
    struct dsc_sensitivity *s = a->s;
    struct dsc_alloc_option *table;

    DSC_NEW(table, s->cmd->arena, s->n_layers * s->n_formats, err);
    DSC_NEW(a->format_of, s->cmd->arena, s->n_layers, err);
    for (int i = 0; i < s->n_layers; i++)
        for (int f = 0; f < s->n_formats; f++) {
            const struct dsc_layer_cost *c = &s->layers[i].cost[f];

            table[i * s->n_formats + f] =
                (struct dsc_alloc_option){c->is_measured, (uint64_t)c->size_bytes, c->damage};
        }
    return dsc_allocate(table, s->n_layers, s->n_formats, s->base_bytes, &a->front, s->cmd->arena,
                        err);
}

static int take_point(struct allocation *a, int point)
{
    int n_quantized = 0;

    dsc_front_choice(&a->front, point, a->format_of);
    for (int i = 0; i < a->s->n_layers; i++) {
        a->s->layers[i].format = (enum dsc_layer_format)a->format_of[i];
        n_quantized += a->format_of[i] != DSC_LAYER_FLOAT;
    }
    return n_quantized;
}

/* Do the bars hold for a point of the front? The products are simulated. */
static enum dsc_status try_point(struct allocation *a, int point, bool *passes, struct dsc_err *err)
{
    struct dsc_sensitivity *s = a->s;
    const struct dsc_gate_rule rule = {0};
    struct dsc_predictions p;
    struct dsc_gate_input in = {.candidate = &p, .baseline = &s->base};
    struct dsc_verdict v;
    struct dsc_arena arena;
    float *logits = NULL;
    const int n_quantized = take_point(a, point);
    enum dsc_status st;

    dsc_arena_init(&arena);
    st = dsc_layer_logits(s, dsc_sensitivity_format, s, &s->rows, "trial", &logits, err);
    if (st == DSC_OK)
        st = dsc_textmodel_judge(s->m, &s->rows, logits, s->n_cols, &arena, &p, err);
    dsc_heap_free(logits);
    if (st == DSC_OK)
        st = dsc_gate_decide(&in, s->checks, s->n_checks, &rule, &v, &arena, err);
    if (st == DSC_OK) {
        *passes = v.pass;
        a->value = v.rows[0].value;
        a->n_trials++;
        dsc_log_printf(&s->cmd->log, DSC_LOG_INFO, "%d of %d layers quantized: %s", n_quantized,
                       s->n_layers, v.pass ? "passes" : "fails");
    }
    dsc_arena_clear(&arena);
    return st;
}

/* The largest point within the target. The smallest of the front has been found near enough: only
 * its file tells whether it fits. */
static int within_target(const struct allocation *a)
{
    const int last = a->s->target_bytes ? dsc_front_within(&a->front, a->s->target_bytes)
                                        : a->front.n_points - 1;

    return last > 0 ? last : 0;
}

/* The smallest point up to `last` that clears the bars, taking for granted that smaller ones of the
 * front do worse; it has been tried in any case. */
static enum dsc_status smallest_passing(struct allocation *a, int last, int *point,
                                        struct dsc_err *err)
{
    const struct dsc_sensitivity *s = a->s;
    int low = -1, high = last;
    bool passes;

    DSC_TRY(try_point(a, 0, &passes, err));
    if (passes) {
        *point = 0;
        return DSC_OK;
    }
    low = 0;
    if (high > low)
        DSC_TRY(try_point(a, high, &passes, err));
    if (!passes) {
        dsc_fail(err, DSC_E_CHECK,
                 "no choice of layers%s clears the bars; the nearest, %.3f MB, has %s %s %.5f",
                 s->target_bytes ? " within --target-size" : "",
                 (double)a->front.points[high].bytes / 1e6,
                 s->checks[0].kind == DSC_CHECK_RETAIN ? "retain" : "max-drop",
                 s->checks[0].metric->name, a->value);
        return dsc_err_hint(err, s->target_bytes ? "allow more bytes, or more loss"
                                                 : "allow more loss by --max-drop or --retain");
    }
    while (high - low > 1) {
        const int mid = low + (high - low) / 2;

        DSC_TRY(try_point(a, mid, &passes, err));
        if (passes)
            high = mid;
        else
            low = mid;
    }
    *point = high;
    return DSC_OK;
}

static int n_of_format(const struct dsc_sensitivity *s, enum dsc_layer_format format)
{
    int n = 0;

    for (int i = 0; i < s->n_layers; i++)
        n += s->layers[i].format == format;
    return n;
}

static enum dsc_status report_choice(struct allocation *a, int point, struct dsc_err *err)
{
    struct dsc_sensitivity *s = a->s;
    const int n_quantized = take_point(a, point);
    const struct dsc_front_point *p = &a->front.points[point];

    fprintf(s->cmd->out, "%d of %d layers stay float", s->n_layers - n_quantized, s->n_layers);
    for (int f = DSC_LAYER_W4A8; f < s->n_formats; f++)
        fprintf(s->cmd->out, ", %d are %s", n_of_format(s, (enum dsc_layer_format)f),
                dsc_layer_format_names[f]);
    fprintf(s->cmd->out, ": about %.3f MB, damage %.3g", (double)p->bytes / 1e6, p->damage);
    fprintf(s->cmd->out, a->n_trials ? ", after %d trials\n" : "\n", a->n_trials);
    dsc_json_object(&s->cmd->json, "plan");
    formats_json(s, &s->cmd->json);
    dsc_json_int(&s->cmd->json, "estimated_bytes", (int64_t)p->bytes);
    dsc_json_float(&s->cmd->json, "damage", p->damage);
    dsc_json_int(&s->cmd->json, "trials", a->n_trials);
    dsc_json_end(&s->cmd->json);
    return save_plan(s, err);
}

enum dsc_status dsc_sensitivity_allocate(struct dsc_sensitivity *s, struct dsc_err *err)
{
    struct allocation a = {.s = s};
    int last, point;

    DSC_TRY(fill_front(&a, err));
    last = within_target(&a);
    if (take_point(&a, last) == 0 && last > 0) /* all of it float is no choice */
        last--;
    point = last;
    if (s->n_checks > 0)
        DSC_TRY(smallest_passing(&a, last, &point, err));
    DSC_TRY(report_choice(&a, point, err));
    return dsc_sensitivity_use_formats(s, err);
}
