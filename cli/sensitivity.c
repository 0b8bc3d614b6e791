/* What quantizing one layer alone does. */
#include "sensitivity.h"

#include "formats_plan.h"
#include "gate_report.h"
#include "layerplan.h"
#include "layers.h"
#include "output.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEASURED_ROWS = 512, SQNR_ROWS = 64, WORST_SHOWN = 16, LEAST_ROWS = 10 };

/* ---- options and rows ---- */

static enum dsc_status check_places(struct dsc_sensitivity *s, struct dsc_err *err)
{
    if (s->report || s->save_plan)
        s->may_replace = dsc_opt_flag(s->cmd, DSC_OPT_force);
    if (s->report) /* one that is there is gone on from */
        DSC_TRY(dsc_output_place(s->report, true, err));
    return s->save_plan ? dsc_output_place(s->save_plan, s->may_replace, err) : DSC_OK;
}

static enum dsc_status check_plan(const struct dsc_sensitivity *s, struct dsc_err *err)
{
    if (s->is_asked)
        return dsc_fail(err, DSC_E_USAGE,
                        "--plan says what is quantized: no --sensitivity, --target-size or bars "
                        "beside it");
    if (s->q->include.n > 0 || s->q->exclude.n > 0)
        return dsc_fail(err, DSC_E_USAGE,
                        "--plan says what is quantized: no --include or --exclude beside it");
    return DSC_OK;
}

enum dsc_status dsc_sensitivity_open(struct dsc_sensitivity *s, uint64_t size_bytes,
                                     struct dsc_err *err)
{
    struct dsc_cmd *cmd = s->cmd;
    const char *target = dsc_opt_text(cmd, DSC_OPT_target_size);
    const bool has_bars =
        dsc_opt_is_set(cmd, DSC_OPT_max_drop) || dsc_opt_is_set(cmd, DSC_OPT_retain);

    s->n_formats = dsc_layer_format_find(dsc_opt_text(cmd, DSC_OPT_scheme)) + 1;
    s->plan = dsc_opt_text(cmd, DSC_OPT_plan);
    s->report = dsc_opt_text(cmd, DSC_OPT_sensitivity);
    s->is_allocating = target || has_bars;
    s->is_asked = s->is_allocating || dsc_opt_is_set(cmd, DSC_OPT_sensitivity);
    if (target)
        DSC_TRY(dsc_output_size("--target-size", target, size_bytes, &s->target_bytes, err));
    if (target && strchr(target, '%') && s->target_bytes > size_bytes)
        return dsc_fail(err, DSC_E_USAGE, "--target-size %s is not a part of the model", target);
    if (has_bars)
        DSC_TRY(dsc_gate_checks(cmd, &s->checks, &s->n_checks, err));
    if (s->is_allocating)
        s->save_plan = dsc_opt_text(cmd, DSC_OPT_save_plan);
    if (s->is_asked)
        s->eval = dsc_opt_text(cmd, DSC_OPT_eval);
    DSC_TRY(check_places(s, err));
    return s->plan ? check_plan(s, err) : DSC_OK;
}

void dsc_sensitivity_cut_off(struct dsc_dataset *d, size_t n, struct dsc_dataset *rows)
{
    const size_t at = d->n - n;

    *rows = *d;
    rows->n = n;
    rows->text += d->text ? at : 0;
    rows->row += at;
    rows->text_b += d->text_b ? at : 0;
    rows->label += d->label ? at : 0;
    rows->value += d->value ? at : 0;
    d->n = at;
}

enum dsc_status dsc_sensitivity_rows(struct dsc_sensitivity *s, const char *calib_path,
                                     struct dsc_dataset *calib, struct dsc_err *err)
{
    const bool has_split = dsc_opt_is_set(s->cmd, DSC_OPT_split);

    memcpy(s->calib, calib->report.sha256, sizeof s->calib);
    if (s->eval || (calib_path && has_split)) {
        DSC_TRY(dsc_textmodel_data(s->m, s->cmd, s->eval ? s->eval : calib_path, DSC_PART_DEV,
                                   s->n_checks > 0, &s->own, err));
        s->rows = s->own;
        if (s->eval)
            dsc_provenance_input(s->cmd, "eval", s->own.report.sha256);
    } else if (calib_path) {
        if (calib->n < LEAST_ROWS)
            return dsc_fail(err, DSC_E_USAGE,
                            "%zu rows are too few to measure on a part of them; give --eval DATA",
                            calib->n);
        s->n_calib = (int64_t)calib->n;
        s->n_held_out = s->n_calib / 5;
        dsc_sensitivity_cut_off(calib, (size_t)s->n_held_out, &s->rows);
    } else {
        return dsc_fail(err, DSC_E_USAGE, "sensitivity is measured on --eval DATA");
    }
    s->n_measured = s->rows.n < MEASURED_ROWS ? (int64_t)s->rows.n : MEASURED_ROWS;
    return DSC_OK;
}

/* ---- identity ---- */

/* What the numbers of the table depend on. */
static enum dsc_status identify(struct dsc_sensitivity *s, struct dsc_err *err)
{
    static const enum dsc_opt_id ids[] = {
        DSC_OPT_calib_rows,      DSC_OPT_smooth,     DSC_OPT_observer,        DSC_OPT_granularity,
        DSC_OPT_symmetric,       DSC_OPT_include,    DSC_OPT_quantize_target, DSC_OPT_reduce_range,
        DSC_OPT_exclude,         DSC_OPT_max_length, DSC_OPT_batch,           DSC_OPT_pad_to,
        DSC_OPT_columns,         DSC_OPT_split,      DSC_OPT_input_roles,     DSC_OPT_logits,
        DSC_OPT_encoding_errors, DSC_OPT_scheme,     DSC_OPT_equalize,        DSC_OPT_rounding};
    struct dsc_sha256 h;

    dsc_sha256_init(&h);
    dsc_provenance_add(&h, s->cmd, ids, sizeof ids / sizeof ids[0]);
    dsc_sha256_add(&h, s->rows.report.sha256, sizeof s->rows.report.sha256);
    dsc_sha256_add(&h, s->calib, sizeof s->calib);
    dsc_sha256_add(&h, &s->n_measured, sizeof s->n_measured);
    dsc_sha256_hex(&h, s->settings);
    return dsc_provenance_hash_model(s->m->path, s->model, err);
}

static struct dsc_layer_costs *find_layer(const struct dsc_sensitivity *s, const char *name)
{
    for (int i = 0; i < s->n_layers; i++)
        if (strcmp(s->layers[i].name, name) == 0)
            return &s->layers[i];
    return NULL;
}

/* ---- the report file ---- */

static enum dsc_status resume(struct dsc_sensitivity *s, struct dsc_err *err)
{
    struct dsc_layer_file f;
    int n = 0;

    if (!s->report || access(s->report, F_OK) != 0)
        return DSC_OK;
    DSC_TRY(dsc_layer_file_read(&f, s->report, DSC_SENSITIVITY_SCHEMA, s->cmd->arena, err));
    if (strcmp(f.model, s->model) != 0 || strcmp(f.settings, s->settings) != 0) {
        if (s->may_replace)
            return DSC_OK;
        dsc_fail(err, DSC_E_INCONSISTENT, "the report is of another model, other data or options");
        dsc_err_hint(err, "give another file, or -f to measure anew");
        return dsc_err_file(err, s->report);
    }
    for (int i = 0; i < f.n_rows; i++) {
        struct dsc_layer_costs *l = find_layer(s, f.rows[i].name);

        for (int k = 0; l && k < f.rows[i].n_cells; k++) {
            const struct dsc_layer_cell *c = &f.rows[i].cells[k];
            const int format = dsc_layer_format_find(c->format);

            if (format <= DSC_LAYER_FLOAT || format >= s->n_formats)
                continue;
            n += !l->cost[format].is_measured;
            l->cost[format] = (struct dsc_layer_cost){.is_measured = true,
                                                      .size_bytes = l->cost[format].size_bytes,
                                                      .n_flips = c->n_flips,
                                                      .sqnr_db = c->sqnr_db,
                                                      .damage = c->damage,
                                                      .logit_rmse = c->logit_rmse};
        }
    }
    dsc_log_printf(&s->cmd->log, DSC_LOG_INFO, "%d of %d layers were measured before", n,
                   s->n_layers * (s->n_formats - 1));
    return DSC_OK;
}

static void layers_json(const struct dsc_sensitivity *s, struct dsc_json *j)
{
    dsc_json_text(j, "model", s->model);
    dsc_json_text(j, "settings", s->settings);
    dsc_json_int(j, "n", s->n_measured);
    dsc_json_array(j, "layers");
    for (int i = 0; i < s->n_layers; i++) {
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", s->layers[i].name);
        dsc_json_array(j, "formats");
        for (int f = DSC_LAYER_FLOAT + 1; f < s->n_formats; f++) {
            const struct dsc_layer_cost *c = &s->layers[i].cost[f];

            if (!c->is_measured)
                continue;
            dsc_json_object(j, NULL);
            dsc_json_text(j, "format", dsc_layer_format_names[f]);
            dsc_json_int(j, "size_bytes", c->size_bytes);
            dsc_json_float(j, "sqnr_db", c->sqnr_db);
            dsc_json_float(j, "damage", c->damage);
            dsc_json_int(j, "flips", c->n_flips);
            dsc_json_float(j, "logit_rmse", c->logit_rmse);
            dsc_json_end(j);
        }
        dsc_json_end(j);
        dsc_json_end(j);
    }
    dsc_json_end(j);
}

static enum dsc_status write_report(const struct dsc_sensitivity *s, struct dsc_err *err)
{
    struct dsc_json j = {0};
    enum dsc_status st;

    if (!s->report)
        return DSC_OK;
    dsc_json_object(&j, NULL);
    dsc_json_text(&j, "schema", DSC_SENSITIVITY_SCHEMA);
    layers_json(s, &j);
    dsc_json_end(&j);
    st = dsc_layer_file_write(s->report, &j, true, err);
    dsc_json_clear(&j);
    return st;
}

/* ---- measuring ---- */

/* All that the plan quantizes. */
static enum dsc_status list_layers(struct dsc_sensitivity *s, struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &s->q->plan;

    DSC_NEW(s->layers, s->cmd->arena, plan->n_fates, err);
    for (int i = 0; i < plan->n_fates; i++) {
        struct dsc_layer_costs *l = &s->layers[s->n_layers];

        if (!plan->fates[i].is_quantized)
            continue;
        *l = (struct dsc_layer_costs){.name = plan->fates[i].node->name};
        l->cost[DSC_LAYER_FLOAT].is_measured = true;
        l->cost[DSC_LAYER_FLOAT].sqnr_db = 200;
        s->n_layers++;
    }
    return dsc_layer_sizes(s, err);
}

/* One layer alone, in a format. */
struct lone {
    const char *name;
    enum dsc_layer_format format;
};

static enum dsc_layer_format format_of_lone(void *ctx, const char *node)
{
    const struct lone *l = ctx;

    return strcmp(l->name, node) == 0 ? l->format : DSC_LAYER_FLOAT;
}

/* Signal to noise of each layer fed with float activations, all in one run. */
static enum dsc_status measure_sqnr(struct dsc_sensitivity *s, enum dsc_layer_format format,
                                    struct dsc_err *err)
{
    const int64_t n = s->n_measured < SQNR_ROWS ? s->n_measured : SQNR_ROWS;
    struct dsc_power *power[DSC_N_PAIR_ERRORS];
    struct dsc_graph *g;
    struct dsc_pair pair;
    enum dsc_status st;

    DSC_TRY(dsc_quantrun_variant(s->q, dsc_layer_format_same, &format, &g, err));
    st = dsc_pair_match(s->m->model.graph, g, s->cmd->arena, &pair, err);
    if (st == DSC_OK)
        st = dsc_layers_measure(s->cmd, s->m, &pair, &s->rows, n, s->batch, s->dev, power, err);
    for (int i = 0; st == DSC_OK && i < pair.n_layers; i++)
        for (int k = 0; k < pair.layers[i].n_products; k++) {
            struct dsc_layer_costs *l = find_layer(s, pair.layers[i].products[k]->name);

            if (l)
                l->cost[format].sqnr_db = dsc_power_db(&power[DSC_PAIR_OWN][i]);
        }
    dsc_graph_free(g);
    return st;
}

/* Of one row: Kullback-Leibler divergence in nats; of a value, the square of the difference. */
static enum dsc_status row_damage(const float *want, const float *got, int64_t n_cols, double *prob,
                                  bool *is_flip, double *damage, struct dsc_err *err)
{
    int32_t a, b;

    *is_flip = false;
    *damage = 0;
    if (n_cols == 1) {
        *damage = pow((double)got[0] - (double)want[0], 2);
        return DSC_OK;
    }
    DSC_TRY(dsc_predict_row(want, (int32_t)n_cols, &a, prob, err));
    DSC_TRY(dsc_predict_row(got, (int32_t)n_cols, &b, prob + n_cols, err));
    *is_flip = a != b;
    for (int64_t k = 0; k < n_cols; k++)
        if (prob[k] > 0)
            *damage += prob[k] * log(prob[k] / fmax(prob[n_cols + k], 1e-300));
    return DSC_OK;
}

static enum dsc_status compare_logits(struct dsc_sensitivity *s, const float *got,
                                      struct dsc_layer_cost *c, struct dsc_err *err)
{
    const int64_t n = s->n_measured, n_cols = s->n_cols;
    double *prob = dsc_heap_alloc(2 * (size_t)n_cols, sizeof *prob, err), square = 0;
    enum dsc_status st = prob ? DSC_OK : DSC_E_MEMORY;

    c->damage = 0;
    c->n_flips = 0;
    for (int64_t i = 0; st == DSC_OK && i < n; i++) {
        bool is_flip;
        double damage;

        st = row_damage(s->logits + i * n_cols, got + i * n_cols, n_cols, prob, &is_flip, &damage,
                        err);
        if (st != DSC_OK)
            break;
        c->damage += fmax(damage, 0) / (double)n;
        c->n_flips += is_flip;
        for (int64_t k = 0; k < n_cols; k++)
            square += pow((double)got[i * n_cols + k] - (double)s->logits[i * n_cols + k], 2);
    }
    c->logit_rmse = sqrt(square / (double)(n * n_cols));
    dsc_heap_free(prob);
    return st;
}

static enum dsc_status measure_layer(struct dsc_sensitivity *s, int i, enum dsc_layer_format format,
                                     struct dsc_err *err)
{
    struct dsc_layer_costs *l = &s->layers[i];
    struct dsc_layer_cost *c = &l->cost[format];
    struct lone lone = {l->name, format};
    struct dsc_dataset rows = s->rows;
    float *logits = NULL;
    char *what = dsc_arena_printf(s->cmd->arena, err, "layer %d/%d %s", i + 1, s->n_layers,
                                  dsc_layer_format_names[format]);
    enum dsc_status st;

    if (!what)
        return DSC_E_MEMORY;
    rows.n = (size_t)s->n_measured;
    DSC_TRY(dsc_layer_logits(s, format_of_lone, &lone, &rows, what, &logits, err));
    st = compare_logits(s, logits, c, err);
    dsc_heap_free(logits);
    DSC_TRY(st);
    c->is_measured = true;
    dsc_log_printf(&s->cmd->log, DSC_LOG_INFO, "%s in %s: %.1f dB, %lld flips, damage %.3g",
                   l->name, dsc_layer_format_names[format], c->sqnr_db, (long long)c->n_flips,
                   c->damage);
    return write_report(s, err);
}

/* A layer in a format: a row of the table that is shown. */
struct shown {
    const struct dsc_layer_costs *layer;
    enum dsc_layer_format format;
};

static int compare_damage(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    const double dx = x->layer->cost[x->format].damage, dy = y->layer->cost[y->format].damage;

    if (dx != dy)
        return dx > dy ? -1 : 1;
    return x->layer != y->layer ? (x->layer < y->layer ? -1 : 1) : (int)y->format - (int)x->format;
}

static enum dsc_status show(struct dsc_sensitivity *s, struct dsc_err *err)
{
    struct shown *order;
    struct dsc_table t;
    int n = 0;

    DSC_NEW(order, s->cmd->arena, s->n_layers * s->n_formats, err);
    for (int i = 0; i < s->n_layers; i++)
        for (int f = DSC_LAYER_FLOAT + 1; f < s->n_formats; f++)
            order[n++] = (struct shown){&s->layers[i], (enum dsc_layer_format)f};
    qsort(order, (size_t)n, sizeof *order, compare_damage);
    dsc_table_init(&t, s->cmd->arena,
                   "most sensitive layers,format,>float kB,>kB,>SQNR dB,>flips,>damage");
    for (int i = 0; i < n && i < WORST_SHOWN; i++) {
        const struct dsc_layer_costs *l = order[i].layer;
        const struct dsc_layer_cost *c = &l->cost[order[i].format];

        dsc_table_cell(&t, "%s", l->name);
        dsc_table_cell(&t, "%s", dsc_layer_format_names[order[i].format]);
        dsc_table_cell(&t, "%.0f", (double)l->cost[DSC_LAYER_FLOAT].size_bytes / 1e3);
        dsc_table_cell(&t, "%.0f", (double)c->size_bytes / 1e3);
        dsc_table_cell(&t, "%.1f", c->sqnr_db);
        dsc_table_cell(&t, "%lld", (long long)c->n_flips);
        dsc_table_cell(&t, "%.3g", c->damage);
    }
    DSC_TRY(dsc_table_print(&t, s->cmd->out, err));
    fprintf(s->cmd->out, "%d layers, each quantized alone, on %lld rows\n", s->n_layers,
            (long long)s->n_measured);
    dsc_json_object(&s->cmd->json, "sensitivity");
    layers_json(s, &s->cmd->json);
    dsc_json_end(&s->cmd->json);
    return DSC_OK;
}

/* What the report file has not. */
static enum dsc_status measure_format(struct dsc_sensitivity *s, enum dsc_layer_format format,
                                      struct dsc_err *err)
{
    int n_left = 0;

    for (int i = 0; i < s->n_layers; i++)
        n_left += !s->layers[i].cost[format].is_measured;
    if (n_left > 0)
        DSC_TRY(measure_sqnr(s, format, err));
    for (int i = 0; i < s->n_layers; i++)
        if (!s->layers[i].cost[format].is_measured)
            DSC_TRY(measure_layer(s, i, format, err));
    return DSC_OK;
}

enum dsc_status dsc_sensitivity_measure(struct dsc_sensitivity *s, struct dsc_err *err)
{
    struct dsc_dataset rows = s->rows;

    DSC_TRY(identify(s, err));
    DSC_TRY(list_layers(s, err));
    DSC_TRY(resume(s, err));
    if (s->n_checks == 0) /* bars are judged on all rows */
        rows.n = (size_t)s->n_measured;
    DSC_TRY(dsc_layer_logits(s, NULL, NULL, &rows, "float", &s->logits, err));
    if (s->n_checks > 0)
        DSC_TRY(dsc_textmodel_judge(s->m, &s->rows, s->logits, s->n_cols, s->cmd->arena, &s->base,
                                    err));
    for (int f = DSC_LAYER_FLOAT + 1; f < s->n_formats; f++)
        DSC_TRY(measure_format(s, (enum dsc_layer_format)f, err));
    return show(s, err);
}

void dsc_sensitivity_close(struct dsc_sensitivity *s)
{
    dsc_heap_free(s->logits);
    dsc_dataset_close(&s->own);
}
