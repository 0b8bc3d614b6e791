/* diagnose: where a quantized model leaves its reference, and which layers should stay float. */
#include "calib.h"
#include "dsc/pair.h"
#include "dsc/pass.h"
#include "dsc/quant.h"
#include "gate_report.h"
#include "layers.h"
#include "models.h"
#include "table.h"
#include "textmodel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORST_SHOWN = 16 };

/* One of the two models. */
struct side {
    struct dsc_textmodel m;
    float *logits;
    int64_t n_cols;
    struct dsc_predictions p;
};

struct job {
    struct dsc_cmd *cmd;
    struct side ref, quant;
    struct dsc_dataset d;
    struct dsc_device *dev;
    int64_t batch;
    double below_db;
    bool is_finding;
    struct dsc_graph *prepared; /* the reference in quantize's form */
    bool is_prepared;           /* which is the one that is compared */
    struct dsc_pair pair;
    struct dsc_power *power[DSC_N_PAIR_ERRORS]; /* [n_layers] */
    struct dsc_check *checks;                   /* --find-excludes */
    size_t n_checks;
    struct dsc_gate_rule rule;
    int *candidates, n_candidates; /* layers that can be left out, worst first */
    bool *is_out;                  /* [n_candidates] */
    struct dsc_excludes excludes;
};

static enum dsc_status open_models(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;

    j->batch = dsc_opt_int(cmd, DSC_OPT_batch);
    j->below_db = dsc_opt_float(cmd, DSC_OPT_below);
    j->is_finding = dsc_opt_flag(cmd, DSC_OPT_find_excludes);
    if (j->is_finding) {
        DSC_TRY(dsc_gate_checks(cmd, &j->checks, &j->n_checks, err));
        j->rule.confidence = dsc_opt_float(cmd, DSC_OPT_confidence);
        j->rule.bootstrap.seed = (uint64_t)dsc_opt_int(cmd, DSC_OPT_seed);
    }
    DSC_TRY(dsc_cmd_device(cmd, &j->dev, err));
    DSC_TRY(dsc_textmodel_open(&j->ref.m, cmd, cmd->args[0], err));
    DSC_TRY(dsc_textmodel_open(&j->quant.m, cmd, cmd->args[1], err));
    DSC_TRY(dsc_textmodel_share_labels(&j->quant.m, &j->ref.m, err));
    DSC_TRY(dsc_textmodel_data(&j->ref.m, cmd, dsc_opt_text(cmd, DSC_OPT_data), DSC_PART_ALL,
                               j->is_finding, &j->d, err));
    if (dsc_opt_is_set(cmd, DSC_OPT_limit) && dsc_opt_int(cmd, DSC_OPT_limit) < (int64_t)j->d.n)
        j->d.n = (size_t)dsc_opt_int(cmd, DSC_OPT_limit);
    DSC_TRY(dsc_cmd_check_used(cmd, err));
    if (j->is_finding)
        DSC_TRY(dsc_cmd_pool(cmd, &j->rule.bootstrap.pool, err));
    DSC_TRY(dsc_pass_strip_dropout(j->ref.m.model.graph, err));
    return dsc_pass_strip_dropout(j->quant.m.model.graph, err);
}

/*
 * quantize brings products and their biases together under names of its own; other tools keep the
 * names. The reference takes the form in which more quantized layers have a counterpart.
 */
static enum dsc_status match(struct job *j, struct dsc_err *err)
{
    const struct dsc_graph *q = j->quant.m.model.graph, *plain = j->ref.m.model.graph;
    struct dsc_pair as_is;
    enum dsc_status st = DSC_OK;

    j->prepared = dsc_graph_copy(plain, err);
    if (!j->prepared)
        return DSC_E_MEMORY;
    DSC_TRY(dsc_quant_prepare(j->prepared, err));
    DSC_TRY(dsc_pair_match(plain, q, j->cmd->arena, &as_is, err));
    DSC_TRY(dsc_pair_match(j->prepared, q, j->cmd->arena, &j->pair, err));
    j->is_prepared = j->pair.n_quantized >= as_is.n_quantized;
    if (!j->is_prepared)
        j->pair = as_is;
    if (j->pair.n_quantized == 0) {
        dsc_fail(err, DSC_E_INCONSISTENT, "no quantized layer has a counterpart in %s",
                 j->ref.m.path);
        dsc_err_hint(err, "REF is the float model that QUANT was made from");
        st = dsc_err_file(err, j->quant.m.path);
    }
    return st;
}

/* ---- errors of layers ---- */

static enum dsc_status measure_layers(struct job *j, struct dsc_err *err)
{
    return dsc_layers_measure(j->cmd, &j->ref.m, &j->pair, &j->d, (int64_t)j->d.n, j->batch, j->dev,
                              j->power, err);
}

/* ---- labels ---- */

static enum dsc_status predict(struct job *j, struct side *s, const char *what, struct dsc_err *err)
{
    DSC_TRY(dsc_textmodel_logits(&s->m, s->m.model.graph, j->cmd, what, j->dev, &j->d, j->batch,
                                 &s->logits, &s->n_cols, err));
    if (!j->is_finding)
        return DSC_OK;
    return dsc_textmodel_judge(&s->m, &j->d, s->logits, s->n_cols, j->cmd->arena, &s->p, err);
}

static enum dsc_status report_labels(struct job *j, struct dsc_err *err)
{
    const int64_t n_cols = j->ref.n_cols, n = (int64_t)j->d.n;
    struct dsc_power p = {0};
    int64_t n_flips = 0;

    if (n_cols != j->quant.n_cols)
        return dsc_fail(err, DSC_E_INCONSISTENT, "the models have %lld and %lld logits",
                        (long long)n_cols, (long long)j->quant.n_cols);
    dsc_power_add(&p, j->quant.logits, j->ref.logits, n * n_cols);
    for (int64_t i = 0; i < n && n_cols > 1; i++) {
        int32_t a, b;

        DSC_TRY(dsc_predict_row(j->ref.logits + i * n_cols, (int32_t)n_cols, &a, NULL, err));
        DSC_TRY(dsc_predict_row(j->quant.logits + i * n_cols, (int32_t)n_cols, &b, NULL, err));
        n_flips += a != b;
    }
    dsc_json_int(&j->cmd->json, "n", n);
    dsc_json_float(&j->cmd->json, "logit_rmse", sqrt(p.noise / (double)(n * n_cols)));
    dsc_json_float(&j->cmd->json, "max_logit_difference", p.most);
    fprintf(j->cmd->out, "outputs differ by %.3g (root mean square), at most %.3g, on %lld rows\n",
            sqrt(p.noise / (double)(n * n_cols)), p.most, (long long)n);
    if (n_cols == 1)
        return DSC_OK;
    dsc_json_int(&j->cmd->json, "flips", n_flips);
    dsc_json_float(&j->cmd->json, "labels_kept", 1 - (double)n_flips / (double)n);
    fprintf(j->cmd->out, "labels flip on %lld of %lld rows (%.2f %% are kept)\n",
            (long long)n_flips, (long long)n, 100 * (1 - (double)n_flips / (double)n));
    return DSC_OK;
}

/* ---- layers, worst first ---- */

struct by_db {
    int layer;
    double db;
};

static int compare_db(const void *a, const void *b)
{
    const struct by_db *x = a, *y = b;

    return x->db != y->db ? (x->db < y->db ? -1 : 1) : x->layer - y->layer;
}

/* Quantized layers, by what each loses by itself. */
static enum dsc_status sort_layers(struct job *j, struct by_db **order, struct dsc_err *err)
{
    int n = 0;

    DSC_NEW(*order, j->cmd->arena, j->pair.n_quantized, err);
    for (int i = 0; i < j->pair.n_layers; i++)
        if (j->pair.layers[i].is_quantized)
            (*order)[n++] = (struct by_db){i, dsc_power_db(&j->power[DSC_PAIR_OWN][i])};
    qsort(*order, (size_t)n, sizeof **order, compare_db);
    return DSC_OK;
}

static int first_divergence(const struct job *j)
{
    for (int i = 0; i < j->pair.n_layers; i++)
        if (j->pair.layers[i].is_quantized &&
            dsc_power_db(&j->power[DSC_PAIR_RUN][i]) < j->below_db)
            return i;
    return -1;
}

static void layers_json(struct job *j, int first)
{
    struct dsc_json *out = &j->cmd->json;

    dsc_json_array(out, "layers");
    for (int i = 0; i < j->pair.n_layers; i++) {
        const struct dsc_pair_layer *l = &j->pair.layers[i];

        dsc_json_object(out, NULL);
        dsc_json_text(out, "name", l->name);
        dsc_json_text(out, "output", j->pair.ref->values[l->ref_value].name);
        dsc_json_bool(out, "is_quantized", l->is_quantized);
        if (l->is_quantized)
            dsc_json_float(out, "own_sqnr_db", dsc_power_db(&j->power[DSC_PAIR_OWN][i]));
        dsc_json_float(out, "sqnr_db", dsc_power_db(&j->power[DSC_PAIR_RUN][i]));
        dsc_json_float(out, "max_difference", j->power[DSC_PAIR_RUN][i].most);
        dsc_json_end(out);
    }
    dsc_json_end(out);
    dsc_json_text(out, "first_divergence", first < 0 ? NULL : j->pair.layers[first].name);
    dsc_json_float(out, "below_db", j->below_db);
}

static enum dsc_status report_layers(struct job *j, const struct by_db *order, struct dsc_err *err)
{
    const int n = j->pair.n_quantized, first = first_divergence(j);
    struct dsc_table t;

    layers_json(j, first);
    dsc_table_init(&t, j->cmd->arena, "worst layers,>own SQNR dB,>as run dB,>largest difference");
    for (int i = 0; i < n && i < WORST_SHOWN; i++) {
        const int l = order[i].layer;

        dsc_table_cell(&t, "%s", j->pair.layers[l].name);
        dsc_table_cell(&t, "%.1f", order[i].db);
        dsc_table_cell(&t, "%.1f", dsc_power_db(&j->power[DSC_PAIR_RUN][l]));
        dsc_table_cell(&t, "%.3g", j->power[DSC_PAIR_RUN][l].most);
    }
    DSC_TRY(dsc_table_print(&t, j->cmd->out, err));
    fprintf(j->cmd->out, "%d quantized layers of %d compared\n", n, j->pair.n_layers);
    if (first < 0) {
        fprintf(j->cmd->out, "no quantized layer is below %g dB as run\n", j->below_db);
        return DSC_OK;
    }
    fprintf(j->cmd->out, "first quantized layer below %g dB as run: ", j->below_db);
    dsc_term_put(j->cmd->out, j->pair.layers[first].name);
    fprintf(j->cmd->out, " (%.1f dB)\n", dsc_power_db(&j->power[DSC_PAIR_RUN][first]));
    return DSC_OK;
}

/* ---- the smallest set to leave out ---- */

static enum dsc_status judge_mix(struct job *j, const struct dsc_graph *g, struct dsc_arena *arena,
                                 bool *passes, struct dsc_err *err)
{
    struct dsc_gate_input in = {.baseline = &j->ref.p, .speedup = 0};
    struct dsc_predictions p;
    struct dsc_verdict v;
    float *logits = NULL;
    int64_t n_cols;
    enum dsc_status st;

    DSC_TRY(dsc_textmodel_logits(&j->quant.m, g, j->cmd, "trial", j->dev, &j->d, j->batch, &logits,
                                 &n_cols, err));
    st = dsc_textmodel_judge(&j->quant.m, &j->d, logits, n_cols, arena, &p, err);
    dsc_heap_free(logits);
    DSC_TRY(st);
    in.candidate = &p;
    DSC_TRY(dsc_gate_decide(&in, j->checks, j->n_checks, &j->rule, &v, arena, err));
    *passes = v.pass;
    return DSC_OK;
}

static enum dsc_status trial(void *ctx, const bool *is_out, bool *passes, struct dsc_err *err)
{
    struct job *j = ctx;
    struct dsc_arena arena;
    struct dsc_graph *g = NULL;
    bool *is_float;
    enum dsc_status st = DSC_OK;
    int n_out = 0;

    dsc_arena_init(&arena);
    is_float = dsc_arena_alloc(&arena, (size_t)j->pair.n_layers, sizeof *is_float, err);
    if (!is_float)
        st = DSC_E_MEMORY;
    for (int i = 0; st == DSC_OK && i < j->n_candidates; i++) {
        is_float[j->candidates[i]] = is_out[i];
        n_out += is_out[i];
    }
    if (st == DSC_OK)
        st = dsc_pair_mix(&j->pair, is_float, &g, err);
    if (st == DSC_OK)
        st = judge_mix(j, g, &arena, passes, err);
    if (st == DSC_OK)
        dsc_log_printf(&j->cmd->log, DSC_LOG_INFO, "%d layers left out: %s", n_out,
                       *passes ? "passes" : "fails");
    dsc_graph_free(g);
    dsc_arena_clear(&arena);
    return st;
}

/* A name as a regular expression takes it, and a shell between single quotes. */
static void add_escaped(struct dsc_bytes *b, const char *name)
{
    for (; *name; name++) {
        if (*name == '\'' || (unsigned char)*name < ' ') {
            dsc_bytes_printf(b, "\\x%02x", (unsigned)(unsigned char)*name);
            continue;
        }
        if (strchr("\\^$.[]|()?*+{}", *name))
            dsc_bytes_add(b, "\\", 1);
        dsc_bytes_add(b, name, 1);
    }
}

/* Of whole names; quantize names a product with its bias NAME/gemm. */
static void write_regex(const struct job *j, struct dsc_bytes *b)
{
    bool is_first = true;

    dsc_bytes_add(b, "^(?:", 4);
    for (int i = 0; i < j->n_candidates; i++) {
        const struct dsc_pair_layer *l = &j->pair.layers[j->candidates[i]];

        for (int k = 0; j->is_out[i] && k < l->n_products; k++) {
            if (!is_first)
                dsc_bytes_add(b, "|", 1);
            is_first = false;
            add_escaped(b, l->products[k]->name);
        }
    }
    dsc_bytes_add(b, ")", 1);
    if (!j->is_prepared)
        dsc_bytes_add(b, "(?:/gemm)?", 10);
    dsc_bytes_add(b, "$", 2); /* and the end of the text */
}

static enum dsc_status report_excludes(struct job *j, struct dsc_err *err)
{
    struct dsc_json *out = &j->cmd->json;
    struct dsc_bytes regex = {0};
    const struct dsc_excludes *e = &j->excludes;

    dsc_json_object(out, "excludes");
    dsc_json_bool(out, "pass", e->passes);
    dsc_json_int(out, "trials", e->n_trials);
    dsc_json_array(out, "layers");
    for (int i = 0; i < j->n_candidates; i++)
        if (j->is_out[i])
            dsc_json_text(out, NULL, j->pair.layers[j->candidates[i]].name);
    dsc_json_end(out);
    if (e->n_out > 0) {
        write_regex(j, &regex);
        if (regex.is_failed) {
            dsc_bytes_clear(&regex);
            return dsc_fail(err, DSC_E_MEMORY, "no memory for the regular expression");
        }
        dsc_json_text(out, "exclude", (const char *)regex.data);
        fprintf(j->cmd->out, "%d of %d layers left in float pass, found in %d trials:\n", e->n_out,
                j->n_candidates, e->n_trials);
        fprintf(j->cmd->out, "--exclude '%s'\n", (const char *)regex.data);
        dsc_bytes_clear(&regex);
    }
    dsc_json_end(out);
    if (e->n_out == 0 && e->passes)
        fprintf(j->cmd->out, "the model passes as it is: nothing is to be left out\n");
    if (e->passes)
        return DSC_OK;
    dsc_fail(err, DSC_E_CHECK, "the bars are missed even with all %d layers in float",
             j->n_candidates);
    return dsc_err_file(err, j->quant.m.path);
}

static enum dsc_status find_excludes(struct job *j, const struct by_db *order, struct dsc_err *err)
{
    int *by_place;

    DSC_NEW(j->candidates, j->cmd->arena, j->pair.n_quantized, err);
    DSC_NEW(j->is_out, j->cmd->arena, j->pair.n_quantized, err);
    DSC_NEW(by_place, j->cmd->arena, j->pair.n_quantized, err);
    for (int i = 0; i < j->pair.n_quantized; i++) {
        if (j->pair.layers[order[i].layer].n_products == 0)
            continue; /* --exclude could not name it */
        by_place[j->n_candidates] = j->n_candidates;
        j->candidates[j->n_candidates++] = order[i].layer;
    }
    DSC_TRY(dsc_find_excludes(j->n_candidates, by_place, trial, j, j->is_out, &j->excludes, err));
    return report_excludes(j, err);
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct by_db *order;

    DSC_TRY(open_models(j, err));
    DSC_TRY(match(j, err));
    DSC_TRY(predict(j, &j->ref, "reference", err));
    DSC_TRY(predict(j, &j->quant, "quantized", err));
    DSC_TRY(measure_layers(j, err));
    DSC_TRY(sort_layers(j, &order, err));
    DSC_TRY(report_layers(j, order, err));
    DSC_TRY(report_labels(j, err));
    return j->is_finding ? find_excludes(j, order, err) : DSC_OK;
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd};
    const enum dsc_status st = work(&j, err);

    dsc_heap_free(j.ref.logits);
    dsc_heap_free(j.quant.logits);
    dsc_dataset_close(&j.d);
    dsc_graph_free(j.prepared);
    dsc_textmodel_close(&j.ref.m);
    dsc_textmodel_close(&j.quant.m);
    dsc_device_close(j.dev);
    return st;
}

const struct dsc_command dsc_command_diagnose = {
    .name = "diagnose",
    .args = "REF QUANT",
    .summary = "show where a quantized model loses, layer by layer",
    .about =
        "Runs the float model and its quantized form on the same rows. For every layer that both "
        "have (by the name of its value or node): the signal to noise ratio as the models run, "
        "where errors add up, and of each quantized layer by itself, fed with the float model's "
        "activations. The worst stand first. A quantized layer diverges when its ratio as "
        "run is below --below; the first one in the graph's order is named. Ratios are of the "
        "dequantized "
        "values, labels of integer execution, as eval and gate run it.\n\n"
        "--find-excludes looks for the smallest set of layers that have to stay float for the bars "
        "of --min, --max-drop and --retain (as in gate) to be cleared, in few trials: layers are "
        "put back worst first until the bars are cleared, and those that are not needed are taken "
        "out again by bisection. It prints the --exclude that quantize takes. Exit status 1: the "
        "bars are missed even with all layers in float.",
    .examples = "dscompress diagnose fp32.onnx int8.onnx --data test.tsv\n"
                "dscompress diagnose fp32.onnx int8.onnx --data test.tsv --find-excludes "
                "--max-drop accuracy=0.01",
    .needs = "data",
    .n_args_min = 2,
    .n_args_max = 2,
    .run = run,
};
