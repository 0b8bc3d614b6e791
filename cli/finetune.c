/* A fine-tune: a head where there is none, the run, the file. */
#include "finetune.h"

#include "dsc/pass.h"
#include "formats_props.h"
#include "models.h"
#include "output.h"
#include "student.h"

#include <string.h>

struct job {
    struct dsc_cmd *cmd;
    struct dsc_textmodel m;
    struct dsc_trainrun r;
    struct dsc_device *dev;
    bool is_made; /* the model is a student by --student-spec */
};

static const char *pooling_of(struct job *j)
{
    static const char *const words[] = {"mean", "cls", "max"};
    const int chosen = dsc_opt_enum(j->cmd, DSC_OPT_pooling);
    const char *stored = dsc_graph_prop(j->m.model.graph, DSC_PROP_POOLING);

    return chosen >= 0 ? words[chosen] : stored ? stored : "mean";
}

/* A base encoder gets a head: pooled token vectors, dropout, a new linear layer. */
static enum dsc_status add_head(struct job *j, struct dsc_err *err)
{
    struct dsc_graph *g = j->m.model.graph;
    const char *pooling = pooling_of(j);
    const int n_out = j->r.train.target == DSC_TARGET_VALUE ? 1 : (int)j->r.train.n_labels;
    const double dropout = j->r.has_dropout ? j->r.dropout : 0.1;

    if (g->values[g->outputs[j->m.output]].type.rank != 3) {
        if (dsc_opt_is_set(j->cmd, DSC_OPT_pooling))
            return dsc_fail(err, DSC_E_USAGE, "--pooling: the model has a head already");
        return DSC_OK;
    }
    DSC_TRY(dsc_opt_resolve(j->cmd, DSC_OPT_pooling, pooling, err));
    DSC_TRY(dsc_head_build(g, pooling, n_out, dropout, j->r.config.seed, err));
    j->m.output = 0;
    dsc_log_printf(&j->cmd->log, DSC_LOG_INFO, "new head: %s pooling, %d outputs", pooling, n_out);
    return DSC_OK;
}

/* Two classes of names need to be told which one f1 means. */
static enum dsc_status check_positive(struct job *j, struct dsc_err *err)
{
    int32_t positive;

    DSC_TRY(dsc_positive_class(j->m.labels, j->m.n_labels, j->m.positive, &positive, err));
    if (j->m.n_labels == 2 && positive < 0) {
        dsc_fail(err, DSC_E_USAGE, "which of '%s' and '%s' does f1 mean?", j->m.labels[0],
                 j->m.labels[1]);
        dsc_err_hint(err, "say it with --positive NAME; the model keeps it");
        return DSC_E_USAGE;
    }
    return DSC_OK;
}

static enum dsc_status write_model(struct job *j, struct dsc_err *err)
{
    DSC_TRY(dsc_textmodel_store(&j->m, err));
    DSC_TRY(dsc_graph_set_prop(j->m.model.graph, DSC_PROP_TASK,
                               j->r.train.target == DSC_TARGET_VALUE ? "regress" : "classify",
                               err));
    return dsc_output_write(j->cmd, &j->m, &j->r.train, j->dev, NULL, NULL, err);
}

/* STUDENT, or the teacher that one is made of. */
static enum dsc_status open_model(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;
    int n = 0;
    const char *const *teachers;

    j->is_made = dsc_opt_is_set(cmd, DSC_OPT_student_spec);
    if (j->is_made && cmd->n_args > 0)
        return dsc_fail(err, DSC_E_USAGE, "--student-spec makes a student: what is '%s' for?",
                        cmd->args[0]);
    if (!j->is_made && cmd->n_args == 0) {
        dsc_fail(err, DSC_E_USAGE, "'%s' needs an argument: %s", cmd->row->name, cmd->row->args);
        return dsc_err_hint(err, "or --student-spec, which makes a student of the teacher");
    }
    if (!j->is_made)
        return dsc_textmodel_open(&j->m, cmd, cmd->args[0], err);
    teachers = dsc_opt_items(cmd, DSC_OPT_teacher, &n);
    return dsc_textmodel_open(&j->m, cmd, teachers[0], err);
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;

    DSC_TRY(dsc_output_check(cmd, err));
    DSC_TRY(dsc_cmd_device(cmd, &j->dev, err));
    DSC_TRY(open_model(j, err));
    j->r = (struct dsc_trainrun){
        .cmd = cmd, .m = &j->m, .dev = j->dev, .epochs_opt = DSC_OPT_epochs, .lr_opt = DSC_OPT_lr};
    j->r.has_dropout = dsc_opt_is_set(cmd, DSC_OPT_dropout);
    j->r.dropout = j->r.has_dropout ? dsc_opt_float(cmd, DSC_OPT_dropout) : 0;
    j->r.is_dry = dsc_opt_flag(cmd, DSC_OPT_dry_run);
    if (!j->is_made)
        DSC_TRY(dsc_trainrun_read_quantized(&j->r, err));
    DSC_TRY(dsc_trainrun_open(&j->r, err));
    if (j->is_made)
        DSC_TRY(dsc_student_build(cmd, &j->m, &j->r.train, err));
    DSC_TRY(check_positive(j, err));
    DSC_TRY(add_head(j, err));
    DSC_TRY(dsc_model_can_write(j->m.model.graph, dsc_opt_text(cmd, DSC_OPT_output), err));
    DSC_TRY(dsc_trainrun_prepare(&j->r, err));
    if (j->r.has_dev) /* that is what is scored */
        (void)dsc_opt_is_set(cmd, DSC_OPT_metric);
    DSC_TRY(dsc_cmd_check_used(cmd, err));
    if (j->r.is_dry)
        return dsc_trainrun_rehearse(&j->r, err);
    DSC_TRY(dsc_trainrun_loop(&j->r, err));
    DSC_TRY(dsc_trainrun_finish(&j->r, err));
    return write_model(j, err);
}

enum dsc_status dsc_finetune_run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd};
    const enum dsc_status st = work(&j, err);

    dsc_trainrun_close(&j.r);
    dsc_textmodel_close(&j.m);
    dsc_device_close(j.dev);
    return st;
}
