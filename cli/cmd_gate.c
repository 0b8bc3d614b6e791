/* gate: does a candidate clear its bars, against a baseline on the same examples? */
#include "dsc/quant.h"
#include "gate_report.h"
#include "models.h"
#include "progress.h"
#include "textmodel.h"

#include <stdlib.h>

enum {
    SPEED_ROUNDS = 7,    /* each times the candidate and then the baseline */
    SPEED_EXAMPLES = 32, /* run one by one, as a service would get them */
};

/* One of the two models: opened, run, judged. */
struct side {
    struct dsc_textmodel m;
    struct dsc_session *s;
    struct dsc_predictions p;
    uint64_t n_params;
};

struct job {
    struct dsc_cmd *cmd;
    struct side cand, base;
    struct dsc_dataset d;
    struct dsc_device *dev;
    struct dsc_check *checks;
    size_t n_checks;
    bool needs_base, needs_speed, needs_predictions;
    const char *data, *baseline, *junit;
    bool may_replace, is_github;
    int64_t batch;
    struct dsc_gate_rule rule;
    double speedup;
};

static enum dsc_status read_options(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;

    DSC_TRY(dsc_gate_checks(cmd, &j->checks, &j->n_checks, err));
    j->needs_speed = dsc_checks_need_speed(j->checks, j->n_checks);
    j->needs_base = dsc_checks_need_baseline(j->checks, j->n_checks) || j->needs_speed;
    j->needs_predictions = dsc_checks_need_predictions(j->checks, j->n_checks);
    j->junit = dsc_opt_text(cmd, DSC_OPT_junit);
    j->may_replace = dsc_opt_flag(cmd, DSC_OPT_force);
    j->is_github = dsc_opt_enum(cmd, DSC_OPT_format) == 1;
    if (j->needs_base || j->needs_predictions)
        j->data = dsc_opt_text(cmd, DSC_OPT_data);
    if (j->needs_predictions) {
        j->baseline = dsc_opt_text(cmd, DSC_OPT_baseline); /* McNemar's test wants it too */
        j->batch = dsc_opt_int(cmd, DSC_OPT_batch);
        j->rule.confidence = dsc_opt_float(cmd, DSC_OPT_confidence);
        j->rule.bootstrap.seed = (uint64_t)dsc_opt_int(cmd, DSC_OPT_seed);
    } else if (j->needs_base) {
        j->baseline = dsc_opt_text(cmd, DSC_OPT_baseline);
    }
    if (j->needs_base && !j->baseline)
        return dsc_fail(err, DSC_E_USAGE, "these bars need --baseline MODEL");
    if ((j->needs_base || j->needs_predictions) && !j->data)
        return dsc_fail(err, DSC_E_USAGE, "these bars need --data DATA");
    return DSC_OK;
}

static enum dsc_status count_params(struct side *s, struct dsc_err *err)
{
    struct dsc_param_census c;

    DSC_TRY(dsc_quant_param_census(s->m.model.graph, &c, err));
    s->n_params = (uint64_t)c.n_params;
    return DSC_OK;
}

static enum dsc_status open_sides(struct job *j, struct dsc_err *err)
{
    DSC_TRY(dsc_textmodel_open(&j->cand.m, j->cmd, j->cmd->args[0], err));
    DSC_TRY(count_params(&j->cand, err));
    if (j->baseline) {
        DSC_TRY(dsc_textmodel_open(&j->base.m, j->cmd, j->baseline, err));
        DSC_TRY(dsc_textmodel_share_labels(&j->cand.m, &j->base.m, err));
    }
    return dsc_textmodel_data(&j->cand.m, j->cmd, j->data, DSC_PART_ALL, true, &j->d, err);
}

static enum dsc_status start(struct job *j, struct side *s, struct dsc_err *err)
{
    DSC_TRY(dsc_textmodel_to_inference(&s->m, j->dev, err));
    return dsc_session_open(&s->s, s->m.model.graph, j->dev, err);
}

static enum dsc_status predict(struct job *j, struct side *s, const char *what, struct dsc_err *err)
{
    struct dsc_progress progress;
    float *logits = NULL;
    int64_t n_cols;
    enum dsc_status st;

    dsc_progress_begin(j->cmd, &progress, what, "examples", 0, (int64_t)j->d.n);
    st = dsc_textmodel_predict(&s->m, j->cmd, s->s, &j->d, j->batch, &logits, &n_cols, err);
    dsc_progress_end(j->cmd);
    if (st == DSC_OK)
        st = dsc_textmodel_judge(&s->m, &j->d, logits, n_cols, j->cmd->arena, &s->p, err);
    dsc_heap_free(logits);
    if (st != DSC_OK)
        dsc_err_file(err, s->m.path);
    return st;
}

static enum dsc_status time_once(struct job *j, struct side *s, double *seconds,
                                 struct dsc_err *err)
{
    struct dsc_dataset few = j->d;
    const double begin = dsc_now_s();
    float *logits = NULL;
    int64_t n_cols;

    few.n = few.n < SPEED_EXAMPLES ? few.n : SPEED_EXAMPLES;
    DSC_TRY(dsc_textmodel_predict(&s->m, j->cmd, s->s, &few, 1, &logits, &n_cols, err));
    *seconds = dsc_now_s() - begin;
    dsc_heap_free(logits);
    return DSC_OK;
}

static int compare_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Median of the rounds' ratios: both models of a round see the same load of the machine. */
static enum dsc_status measure_speed(struct job *j, struct dsc_err *err)
{
    double ratio[SPEED_ROUNDS], warm;

    DSC_TRY(time_once(j, &j->cand, &warm, err));
    DSC_TRY(time_once(j, &j->base, &warm, err));
    for (int i = 0; i < SPEED_ROUNDS; i++) {
        double cand, base;

        DSC_TRY(time_once(j, &j->cand, &cand, err));
        DSC_TRY(time_once(j, &j->base, &base, err));
        ratio[i] = base / cand;
    }
    qsort(ratio, SPEED_ROUNDS, sizeof ratio[0], compare_double);
    j->speedup = ratio[SPEED_ROUNDS / 2];
    return DSC_OK;
}

static enum dsc_status run_sides(struct job *j, struct dsc_err *err)
{
    DSC_TRY(dsc_cmd_device(j->cmd, &j->dev, err));
    DSC_TRY(open_sides(j, err));
    DSC_TRY(dsc_cmd_check_used(j->cmd, err));
    DSC_TRY(start(j, &j->cand, err));
    if (j->baseline)
        DSC_TRY(start(j, &j->base, err));
    if (j->needs_predictions) {
        DSC_TRY(predict(j, &j->cand, "candidate", err));
        if (j->baseline)
            DSC_TRY(predict(j, &j->base, "baseline", err));
    }
    return j->needs_speed ? measure_speed(j, err) : DSC_OK;
}

/* Size and parameters need no data, no tokenizer and no run. */
static enum dsc_status look_only(struct job *j, struct dsc_err *err)
{
    DSC_TRY(dsc_cmd_check_used(j->cmd, err));
    DSC_TRY(dsc_cmd_model(j->cmd, j->cmd->args[0], &j->cand.m.model, err));
    return count_params(&j->cand, err);
}

static enum dsc_status report(struct job *j, const struct dsc_verdict *v, struct dsc_err *err)
{
    const char *candidate = j->cmd->args[0];

    dsc_gate_json(&j->cmd->json, v);
    DSC_TRY(dsc_gate_print(j->cmd, v, err));
    if (j->is_github)
        dsc_gate_github(j->cmd->out, v, candidate);
    if (j->junit)
        DSC_TRY(dsc_gate_junit(v, candidate, j->junit, j->may_replace, err));
    if (v->pass)
        return DSC_OK;
    dsc_fail(err, DSC_E_CHECK, "%zu of %zu checks failed", v->n_failed, v->n_rows);
    return dsc_err_file(err, candidate), DSC_E_CHECK;
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_gate_input in = {0};
    struct dsc_verdict v;

    DSC_TRY(read_options(j, err));
    if (j->needs_base || j->needs_predictions)
        DSC_TRY(run_sides(j, err));
    else
        DSC_TRY(look_only(j, err));
    if (j->needs_predictions) {
        DSC_TRY(dsc_cmd_pool(j->cmd, &j->rule.bootstrap.pool, err));
        in.candidate = &j->cand.p;
        in.baseline = j->baseline ? &j->base.p : NULL;
    }
    in.size_bytes = j->cand.m.model.size_bytes;
    in.n_params = j->cand.n_params;
    in.speedup = j->speedup;
    DSC_TRY(dsc_gate_decide(&in, j->checks, j->n_checks, &j->rule, &v, j->cmd->arena, err));
    return report(j, &v, err);
}

static void close_side(struct side *s)
{
    dsc_session_close(s->s);
    dsc_textmodel_close(&s->m);
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd};
    const enum dsc_status st = work(&j, err);

    close_side(&j.cand);
    close_side(&j.base);
    dsc_dataset_close(&j.d);
    dsc_device_close(j.dev);
    return st;
}

const struct dsc_command dsc_command_gate = {
    .name = "gate",
    .args = "CANDIDATE",
    .summary = "decide whether a model is good enough; the exit status is the answer",
    .about = "Holds the candidate against bars: metrics on --data (--min), their fall below the "
             "baseline on the same examples (--max-drop, --retain), size, parameters and speed. "
             "Exit status 0 when all are cleared, 1 when one is missed.\n"
             "A metric in --min and --max-drop is a fraction; --retain f1=99% is relative to the "
             "baseline. With --confidence a bar is cleared by the one-sided bound of the value "
             "(--min) or of the paired difference, from 10,000 seeded bootstrap draws; bounds that "
             "straddle the bar fail, and the number of examples that would decide is printed.\n"
             "--min-speedup runs up to 32 examples one by one, candidate and baseline in turns, "
             "and takes the median ratio of seven rounds.",
    .examples =
        "dscompress gate int8.onnx --baseline fp32.onnx --data test.tsv --max-drop f1=0.01\n"
        "dscompress gate int8.onnx --max-size 25MB --max-params 23M",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
