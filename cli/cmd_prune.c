/* prune: zeros in the weights of a trained model. */
#include "benchrun.h"
#include "cmd.h"
#include "dsc/census.h"
#include "dsc/gate.h"
#include "dsc/prune.h"
#include "dsc/quant.h"
#include "formats_props.h"
#include "models.h"
#include "output.h"
#include "pattern.h"
#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SPEED_TOKENS = 128 };

struct job {
    struct dsc_cmd *cmd;
    struct dsc_textmodel m;
    struct dsc_device *dev;
    struct dsc_patterns include, exclude;
    struct dsc_mask_pattern pattern;
    const char *pattern_text;
    double sparsity;
    bool is_global;
    uint64_t max_bytes; /* 0: any */
    double min_speedup; /* 0: any */
    struct dsc_bench_side side[2];
};

/* ---- options ---- */

static enum dsc_status read_size(struct job *j, const char *text, struct dsc_err *err)
{
    struct dsc_check size;
    char *end;
    const double part = strtod(text, &end);

    if (end != text && strcmp(end, "%") == 0 && part > 0) {
        j->max_bytes = (uint64_t)fmax(part / 100 * (double)j->m.model.size_bytes, 1);
        return DSC_OK;
    }
    if (dsc_check_parse(DSC_CHECK_MAX_SIZE, text, &size, NULL) != DSC_OK) {
        dsc_fail(err, DSC_E_USAGE, "--require-size '%s' is no size", text);
        dsc_err_hint(err, "it is written 15MB, or 60%% of the model");
        return DSC_E_USAGE;
    }
    j->max_bytes = (uint64_t)fmax(size.bar, 1); /* 0 is none */
    return DSC_OK;
}

static enum dsc_status read_bars(struct job *j, struct dsc_err *err)
{
    const char *size = dsc_opt_text(j->cmd, DSC_OPT_require_size);
    const char *speed = dsc_opt_text(j->cmd, DSC_OPT_require_speedup);
    struct dsc_check check;

    if (size)
        DSC_TRY(read_size(j, size, err));
    if (!speed)
        return DSC_OK;
    if (dsc_check_parse(DSC_CHECK_MIN_SPEEDUP, speed, &check, NULL) != DSC_OK)
        return dsc_fail(err, DSC_E_USAGE, "--require-speedup '%s' is no number like 1.5", speed);
    j->min_speedup = check.bar;
    return DSC_OK;
}

/* A pattern of groups says itself how many zeros there are. */
static enum dsc_status read_sparsity(struct job *j, struct dsc_err *err)
{
    (void)dsc_opt_enum(j->cmd, DSC_OPT_importance); /* there is one so far */
    if (j->pattern.kind == DSC_MASK_GROUPS)
        return DSC_OK;
    if (!dsc_opt_is_set(j->cmd, DSC_OPT_sparsity))
        return dsc_fail(err, DSC_E_USAGE, "--pattern %s needs --sparsity S", j->pattern_text);
    j->sparsity = dsc_opt_float(j->cmd, DSC_OPT_sparsity);
    if (!(j->sparsity > 0 && j->sparsity < 1))
        return dsc_fail(err, DSC_E_USAGE,
                        "--sparsity %g: it is a part of the weights, more than 0 and less than 1",
                        j->sparsity);
    j->is_global = dsc_opt_enum(j->cmd, DSC_OPT_scope) == 1;
    return DSC_OK;
}

static enum dsc_status open_patterns(struct job *j, struct dsc_err *err)
{
    int n;
    const char *const *items = dsc_opt_items(j->cmd, DSC_OPT_prune_include, &n);

    DSC_TRY(dsc_patterns_open(&j->include, "--include", items, n, j->cmd->arena, err));
    items = dsc_opt_items(j->cmd, DSC_OPT_prune_exclude, &n);
    return dsc_patterns_open(&j->exclude, "--exclude", items, n, j->cmd->arena, err);
}

/* ---- which weights ---- */

static bool matches(struct dsc_patterns *p, const char *weight, int n, const char *const *nodes)
{
    bool is_match = dsc_patterns_match(p, weight);

    for (int i = 0; i < n; i++)
        is_match |= dsc_patterns_match(p, nodes[i]);
    return is_match;
}

static enum dsc_prune_choice choose(void *ctx, const char *weight, int n, const char *const *nodes)
{
    struct job *j = ctx;
    const bool is_in = matches(&j->include, weight, n, nodes);

    if (matches(&j->exclude, weight, n, nodes))
        return DSC_PRUNE_LEFT_OUT;
    if (is_in)
        return DSC_PRUNE_ASKED_FOR;
    return j->include.n == 0 ? DSC_PRUNE_CHOSEN : DSC_PRUNE_LEFT_OUT;
}

/* A pattern without a match is said first: it is why there may be nothing to prune. */
static enum dsc_status find(struct job *j, struct dsc_prune_weights *w, struct dsc_err *err)
{
    const struct dsc_graph *g = j->m.model.graph;
    struct dsc_err why = {0};
    const enum dsc_status st = dsc_prune_find(g, &j->pattern, choose, j, j->cmd->arena, w, &why);

    if (st == DSC_OK || st == DSC_E_UNSUPPORTED) {
        DSC_TRY(dsc_patterns_check(&j->include, err));
        DSC_TRY(dsc_patterns_check(&j->exclude, err));
    }
    if (st == DSC_E_UNSUPPORTED)
        for (int i = 0; i < w->n; i++)
            dsc_log_printf(&j->cmd->log, DSC_LOG_INFO, "left: %s: %s",
                           g->values[w->items[i].value].name, w->items[i].why);
    *err = why;
    return st == DSC_OK ? st : dsc_err_file(err, j->cmd->args[0]);
}

static enum dsc_status check_float(struct job *j, struct dsc_err *err)
{
    if (!dsc_quant_is_quantized(j->m.model.graph))
        return DSC_OK;
    dsc_fail(err, DSC_E_UNSUPPORTED, "the model is quantized: its weights are codes");
    dsc_err_hint(err, "prune the float model, then quantize: what is 0 stays 0");
    return dsc_err_file(err, j->cmd->args[0]);
}

/* ---- report ---- */

static void report_tensor(struct job *j, struct dsc_table *table, const struct dsc_prune_weight *w)
{
    const struct dsc_value *v = &j->m.model.graph->values[w->value];
    struct dsc_json *json = &j->cmd->json;
    char shape[128];

    dsc_json_object(json, NULL);
    dsc_json_text(json, "name", v->name);
    dsc_json_array(json, "shape");
    for (int i = 0; i < v->init.rank; i++)
        dsc_json_int(json, NULL, v->init.dim[i]);
    dsc_json_end(json);
    dsc_json_text(json, "pattern", w->why ? NULL : j->pattern_text);
    dsc_json_int(json, "elements", w->n_elems);
    dsc_json_int(json, "zeros", w->n_zero);
    dsc_json_text(json, "why", w->why ? w->why : "");
    dsc_json_end(json);
    if (w->why)
        return;
    dsc_table_cell(table, "%s", v->name);
    dsc_table_cell(table, "%s", dsc_type_text(j->m.model.graph, &v->type, shape, sizeof shape));
    dsc_table_cell(table, "%s", j->pattern_text);
    dsc_table_cell(table, "%" PRId64, w->n_zero);
    dsc_table_cell(table, "%.2f", 100 * (double)w->n_zero / (double)w->n_elems);
}

static const char *says_what_it_is_for(const struct job *j)
{
    if (j->pattern.kind == DSC_MASK_GROUPS)
        return "zeros make the file no smaller; N:M is faster only in a runtime with kernels for "
               "it (2:4: sparse tensor cores)";
    return "zeros make the file no smaller, and no model faster but in a runtime with sparse "
           "kernels";
}

static enum dsc_status report(struct job *j, const struct dsc_prune_weights *w,
                              const struct dsc_param_census *before, struct dsc_err *err)
{
    struct dsc_json *json = &j->cmd->json;
    struct dsc_param_census after;
    struct dsc_table table;
    int64_t n_elems = 0, n_zero = 0;

    DSC_TRY(dsc_graph_param_census(j->m.model.graph, &after, err));
    dsc_table_init(&table, j->cmd->arena, "tensor,type,pattern,>zeros,>%");
    dsc_json_array(json, "tensors");
    for (int i = 0; i < w->n; i++) {
        report_tensor(j, &table, &w->items[i]);
        n_elems += w->items[i].why ? 0 : w->items[i].n_elems;
        n_zero += w->items[i].why ? 0 : w->items[i].n_zero;
    }
    dsc_json_end(json);
    dsc_json_float(json, "sparsity", (double)n_zero / (double)n_elems);
    dsc_json_int(json, "params_before", before->n_params);
    dsc_json_int(json, "params_after", after.n_params);
    dsc_json_int(json, "nonzero_before", before->n_nonzero);
    dsc_json_int(json, "nonzero_after", after.n_nonzero);
    dsc_json_int(json, "size_bytes_before", (int64_t)j->m.model.size_bytes);
    DSC_TRY(dsc_table_print(&table, j->cmd->out, err));
    fprintf(j->cmd->out,
            "%d of %d tensors, %.2f %% zeros in them; of %" PRId64 " parameters %" PRId64
            " are nonzero (before: %" PRId64 ")\n%s\n",
            w->n_chosen, w->n, 100 * (double)n_zero / (double)n_elems, after.n_params,
            after.n_nonzero, before->n_nonzero, says_what_it_is_for(j));
    return DSC_OK;
}

/* ---- --require-speedup ---- */

static enum dsc_status time_both(struct job *j, struct dsc_err *err)
{
    struct dsc_bench_stats s[2];
    double speedup;

    for (int k = 0; k < 2; k++) {
        j->side[k].path = j->cmd->args[0];
        j->side[k].graph = k == 1 ? j->m.model.graph : NULL;
        DSC_TRY(dsc_bench_open(j->cmd, &j->side[k], err));
        DSC_TRY(dsc_session_open(&j->side[k].s, j->side[k].m.model.graph, j->dev, err));
        DSC_TRY(dsc_bench_feed(&j->side[k], 1,
                               j->m.max_length < SPEED_TOKENS ? j->m.max_length : SPEED_TOKENS, 0,
                               err));
    }
    DSC_TRY(dsc_bench_time(j->cmd, j->side, 2, err));
    for (int k = 0; k < 2; k++)
        dsc_bench_stats(&j->side[k], &s[k]);
    speedup = s[0].p50 / s[1].p50;
    dsc_json_float(&j->cmd->json, "latency_ms_before", s[0].p50);
    dsc_json_float(&j->cmd->json, "latency_ms_after", s[1].p50);
    dsc_json_float(&j->cmd->json, "speedup", speedup);
    fprintf(j->cmd->out, "median of one row %.2f ms, before %.2f ms: %.2f times as fast\n",
            s[1].p50, s[0].p50, speedup);
    if (speedup >= j->min_speedup)
        return DSC_OK;
    dsc_fail(err, DSC_E_CHECK, "%.2f times as fast, at least %g is asked for: it is not written",
             speedup, j->min_speedup);
    return dsc_err_file(err, dsc_opt_text(j->cmd, DSC_OPT_output));
}

/* ---- the run ---- */

static enum dsc_status note(struct job *j, const struct dsc_prune_weights *w, struct dsc_err *err)
{
    const char **names;
    size_t n = 0;

    DSC_NEW(names, j->cmd->arena, w->n_chosen + 1, err);
    for (int i = 0; i < w->n; i++)
        if (!w->items[i].why)
            names[n++] = j->m.model.graph->values[w->items[i].value].name;
    return dsc_props_add_sparsity(j->m.model.graph, names, n, j->pattern_text, err);
}

static enum dsc_status prune(struct job *j, bool is_dry, struct dsc_err *err)
{
    struct dsc_graph *g = j->m.model.graph;
    struct dsc_param_census before;
    struct dsc_prune_weights w;
    int64_t n_changed;

    DSC_TRY(find(j, &w, err));
    DSC_TRY(dsc_graph_param_census(g, &before, err));
    DSC_TRY(dsc_prune_mask(g, &j->pattern, j->sparsity, j->is_global, &w, &n_changed, err));
    DSC_TRY(report(j, &w, &before, err));
    if (is_dry)
        return DSC_OK;
    DSC_TRY(note(j, &w, err));
    DSC_TRY(dsc_textmodel_store(&j->m, err));
    if (j->min_speedup > 0)
        DSC_TRY(time_both(j, err));
    return dsc_output_write_within(j->cmd, &j->m, NULL, j->dev, j->max_bytes, NULL, err);
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;
    bool is_dry;

    j->pattern_text = dsc_opt_text(cmd, DSC_OPT_pattern);
    DSC_TRY(dsc_mask_pattern_parse(j->pattern_text, &j->pattern, err));
    DSC_TRY(read_sparsity(j, err));
    DSC_TRY(dsc_output_check(cmd, err));
    DSC_TRY(dsc_cmd_device(cmd, &j->dev, err));
    DSC_TRY(dsc_textmodel_open(&j->m, cmd, cmd->args[0], err));
    DSC_TRY(check_float(j, err));
    DSC_TRY(dsc_model_can_write(j->m.model.graph, dsc_opt_text(cmd, DSC_OPT_output), err));
    DSC_TRY(read_bars(j, err));
    DSC_TRY(open_patterns(j, err));
    is_dry = dsc_opt_flag(cmd, DSC_OPT_dry_run);
    DSC_TRY(dsc_cmd_check_used(cmd, err));
    if (dsc_output_check_nan(j->m.model.graph, err) != DSC_OK)
        return dsc_err_file(err, cmd->args[0]);
    return prune(j, is_dry, err);
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job *j;
    enum dsc_status st;

    DSC_NEW(j, cmd->arena, 1, err);
    j->cmd = cmd;
    st = work(j, err);
    for (int k = 0; k < 2; k++)
        dsc_bench_close(&j->side[k]);
    dsc_patterns_close(&j->include);
    dsc_patterns_close(&j->exclude);
    dsc_textmodel_close(&j->m);
    dsc_device_close(j->dev);
    return st;
}

const struct dsc_command dsc_command_prune = {
    .name = "prune",
    .args = "MODEL",
    .summary = "set weights to 0",
    .about =
        "Sets the weights of least magnitude to 0, at once and without data. unstructured: any "
        "element, --sparsity of each tensor or of all together (--scope global). N:M (2:4, 4:8): "
        "of "
        "every M that stand together along the axis that a product sums over, N stay, as sparse "
        "tensor cores have it. block:RxC: blocks of R outputs by C along that axis, by their "
        "Frobenius norm. Zeros that are there count.\n\n"
        "Pruned are float constants that Gemm and MatMul read, through Transpose too. Looked-up "
        "tables, biases and gains are left unless --include names them; a tensor that is read in "
        "two roles is always left. The reason for every tensor is in --json.\n\n"
        "Zeros make a file no smaller and a model no faster, unless its runtime has kernels for "
        "them. --require-size and --require-speedup make that a condition: when it is missed, the "
        "exit status is 1 and nothing is written. Speed is the median latency of one row of up to "
        "128 tokens, measured here in turns with the source.\n\n"
        "The file's metadata name the pruned tensors (dscompress.sparsity); their zeros are the "
        "mask "
        "that train, distill and quantize keep.",
    .examples = "dscompress prune sms.onnx --pattern unstructured --sparsity 0.5 -o pruned.onnx\n"
                "dscompress prune sms.onnx --pattern 2:4 --exclude classifier -o sparse.onnx\n"
                "dscompress prune sms.onnx --pattern block:8x1 --sparsity 0.4 --scope local --json "
                "-o blocks.onnx",
    .needs = "pattern,output",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
