/* Training runs: from options and rows of text to weights. */
#include "trainrun.h"

#include "augment.h"
#include "dsc/pass.h"
#include "dsc/quant.h"
#include "formats_props.h"
#include "inputs.h"
#include "normrun.h"
#include "output.h"
#include "progress.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static enum dsc_status read_config(struct dsc_trainrun *r, struct dsc_err *err)
{
    static const char *const sched[] = {"linear", "cosine", "constant"};
    static const char *const optim[] = {"adamw", "sgd"};
    struct dsc_cmd *cmd = r->cmd;
    struct dsc_train_config *c = &r->config;
    const int64_t n_accumulate = dsc_opt_int(cmd, DSC_OPT_accumulate);
    const int64_t batch = dsc_opt_int(cmd, DSC_OPT_batch);

    *c = dsc_train_defaults();
    c->sched = dsc_sched_find(sched[dsc_opt_enum(cmd, DSC_OPT_schedule)]);
    c->optim = dsc_optim_find(optim[dsc_opt_enum(cmd, DSC_OPT_optimizer)]);
    c->lr = dsc_opt_float(cmd, r->lr_opt);
    c->weight_decay = dsc_opt_float(cmd, DSC_OPT_weight_decay);
    c->clip = dsc_opt_float(cmd, DSC_OPT_clip);
    c->ema = dsc_opt_float(cmd, DSC_OPT_ema);
    if ((r->is_quantized || r->lr_opt == DSC_OPT_qat_lr) && dsc_opt_is_set(cmd, DSC_OPT_scale_lr))
        r->scale_lr = dsc_opt_float(cmd, DSC_OPT_scale_lr); /* else it is said to have no effect */
    c->seed = (uint64_t)dsc_opt_int(cmd, DSC_OPT_seed);
    c->batch = batch * n_accumulate; /* of one update */
    c->micro = dsc_opt_is_set(cmd, DSC_OPT_micro) ? dsc_opt_int(cmd, DSC_OPT_micro) : batch;
    r->n_epochs = dsc_opt_int(cmd, r->epochs_opt);
    if (dsc_opt_is_set(cmd, DSC_OPT_micro) && dsc_textmodel_batch(r->m, c->micro) != c->micro)
        return dsc_fail(err, DSC_E_USAGE, "the model takes one row at a time: no --micro %lld",
                        (long long)c->micro);
    c->micro = r->n_at_once = dsc_textmodel_batch(r->m, c->micro);
    return DSC_OK;
}

/*
 * The gradients of a batch of texts are summed over a few rows of about the same length: half of
 * what is computed would be padding. Not where a device wants large passes, where terms are means
 * over tokens or pairs of rows, and where rounding is learned by the size of what it rounds.
 */
static enum dsc_status cut_batches(struct dsc_trainrun *r, struct dsc_err *err)
{
    enum { ROWS = 8 };
    const bool may_cut = strcmp(r->dev->name, "cpu") == 0 && !r->is_quantized &&
                         r->lr_opt != DSC_OPT_qat_lr && !r->teacher.distill.terms;
    int32_t *length;

    if (!r->train.text)
        return DSC_OK;
    if (!dsc_opt_is_set(r->cmd, DSC_OPT_micro) && may_cut && r->config.micro > ROWS)
        r->config.micro = ROWS;
    if (r->config.micro >= r->config.batch || r->config.micro == 1)
        return DSC_OK;
    DSC_NEW(length, r->cmd->arena, r->train.n, err);
    r->length = length;
    return dsc_textmodel_lengths(r->m, &r->train, 0, (int64_t)r->train.n, length, err);
}

/* About the square root of the number of operators: the least memory for one more forward pass. */
static int n_segments_for(const struct dsc_graph *g)
{
    const int n = (int)sqrt((double)g->n_nodes / 4);

    return n < 2 ? 2 : n;
}

static void plan_steps(struct dsc_trainrun *r)
{
    struct dsc_train_config *c = &r->config;

    c->n_steps = dsc_train_steps_per_epoch((int64_t)r->train.n, c->batch) * (uint64_t)r->n_epochs;
    c->n_warmup = (uint64_t)ceil(dsc_opt_float(r->cmd, DSC_OPT_warmup) * (double)c->n_steps);
}

/* Labels of the training data become the model's, when it has none. */
static void adopt_labels(struct dsc_trainrun *r)
{
    if (r->m->n_labels == 0 && r->train.target == DSC_TARGET_CLASS) {
        r->m->labels = r->train.label_names;
        r->m->n_labels = r->train.n_labels;
    }
}

static enum dsc_status open_patterns(struct dsc_trainrun *r, struct dsc_err *err)
{
    int n;
    const char *const *items = dsc_opt_items(r->cmd, DSC_OPT_freeze, &n);

    DSC_TRY(dsc_patterns_open(&r->freeze, "--freeze", items, n, r->cmd->arena, err));
    items = dsc_opt_items(r->cmd, DSC_OPT_unfreeze, &n);
    return dsc_patterns_open(&r->unfreeze, "--unfreeze", items, n, r->cmd->arena, err);
}

/* One class is nothing to tell apart: the loss would be 0 and the model of no use. */
static enum dsc_status check_classes(const struct dsc_trainrun *r, const char *path,
                                     struct dsc_err *err)
{
    const struct dsc_dataset *d = &r->train;

    for (size_t i = 1; i < d->n; i++)
        if (d->target != DSC_TARGET_CLASS || d->label[i] != d->label[0])
            return DSC_OK;
    if (d->target != DSC_TARGET_CLASS || d->n == 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_INCONSISTENT, "the training data hold one class only, '%s'",
             r->m->labels[d->label[0]]);
    return dsc_err_file(err, path);
}

static enum dsc_status append(struct dsc_trainrun *r, struct dsc_dataset *to,
                              const struct dsc_dataset *more, const char *name, struct dsc_err *err)
{
    dsc_provenance_input(r->cmd, name, more->report.sha256);
    r->teacher.distill.is_masked = true;
    return dsc_dataset_append(to, more, err);
}

/* Rows that only the teacher says something of: given, and made of those with labels. */
static enum dsc_status append_unlabeled(struct dsc_trainrun *r, struct dsc_err *err)
{
    const bool has_teacher = r->teacher.is_there;
    const char *path = has_teacher ? dsc_opt_text(r->cmd, DSC_OPT_unlabeled) : NULL;
    const bool augments = has_teacher && dsc_opt_is_set(r->cmd, DSC_OPT_augment);
    const size_t n_labelled = r->train.n;

    if (path)
        DSC_TRY(dsc_textmodel_unlabeled(r->m, r->cmd, path, DSC_PART_TRAIN, &r->unlabeled, err));
    if (augments) {
        DSC_TRY(dsc_augment(r->cmd, r->m, &r->train, &r->augmented, err));
        DSC_TRY(append(r, path ? &r->unlabeled : &r->train, &r->augmented, "augmented", err));
    }
    if (path && append(r, &r->train, &r->unlabeled, "unlabeled", err) != DSC_OK)
        return dsc_err_file(err, path);
    if (path || augments)
        dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "%zu rows with labels and %zu without",
                       n_labelled, r->train.n - n_labelled);
    return DSC_OK;
}

enum dsc_status dsc_trainrun_open(struct dsc_trainrun *r, struct dsc_err *err)
{
    const char *train = dsc_opt_text(r->cmd, DSC_OPT_train);
    const char *dev = dsc_opt_text(r->cmd, DSC_OPT_eval);

    DSC_TRY(read_config(r, err));
    DSC_TRY(open_patterns(r, err));
    DSC_TRY(dsc_teacher_open(&r->teacher, r->cmd, r->m, r->teacher_may_be_self, err));
    DSC_TRY(dsc_textmodel_data(r->m, r->cmd, train, DSC_PART_TRAIN, true, &r->train, err));
    adopt_labels(r);
    DSC_TRY(check_classes(r, train, err));
    DSC_TRY(append_unlabeled(r, err));
    plan_steps(r);
    if (dev) {
        DSC_TRY(dsc_textmodel_data(r->m, r->cmd, dev, DSC_PART_DEV, true, &r->dev_set, err));
        r->has_dev = true;
    }
    r->state_dir = dsc_opt_text(r->cmd, DSC_OPT_state);
    if (dsc_opt_flag(r->cmd, DSC_OPT_grad_checkpoint))
        r->config.n_segments = 0; /* chosen when the graph is final */
    r->norm_rows = dsc_opt_int(r->cmd, DSC_OPT_norm_rows);
    if (r->norm_rows > 0 && dsc_normrun_count(r->m->model.graph) == 0)
        return dsc_fail(err, DSC_E_USAGE,
                        "--norm-rows: the model has no BatchNormalization that is not folded into "
                        "the layer in front of it");
    r->loss = dsc_loss_find(r->train.target == DSC_TARGET_VALUE  ? "mse"
                            : dsc_textmodel_has_one_output(r->m) ? "bce"
                                                                 : "cross-entropy");
    return DSC_OK;
}

enum dsc_status dsc_trainrun_read_quantized(struct dsc_trainrun *r, struct dsc_err *err)
{
    struct dsc_graph *g = r->m->model.graph;
    int n = 0;

    if (!dsc_quant_is_quantized(g))
        return DSC_OK;
    if (dsc_quant_read(g, &n, &r->has_int_bias, err) != DSC_OK)
        return dsc_err_file(err, r->cmd->args[0]);
    r->is_quantized = n > 0;
    dsc_log_printf(&r->cmd->log, DSC_LOG_INFO,
                   "the model is quantized: its %d dequantized tensors are trained with rounding "
                   "simulated, and quantized again",
                   n);
    return DSC_OK;
}

/* Numbers of a formula have names too: a pattern trains them only when it is their very name. */
static bool is_trained(void *ctx, const char *weight, int n_nodes, const char *const *nodes,
                       bool is_by_rule)
{
    struct dsc_trainrun *r = ctx;
    bool froze, unfroze;

    if (!is_by_rule)
        return dsc_patterns_name(&r->unfreeze, weight);
    froze = dsc_patterns_match_any(&r->freeze, weight, n_nodes, nodes);
    unfroze = dsc_patterns_match_any(&r->unfreeze, weight, n_nodes, nodes);
    return !froze || unfroze;
}

/* Weights that the exporter has merged or untied. */
static enum dsc_status split_merged(struct dsc_trainrun *r, struct dsc_err *err)
{
    int n_merged, n_new;

    DSC_TRY(dsc_params_split(r->m->model.graph, r->cmd->arena, &n_merged, &n_new, err));
    if (n_new == 0)
        return DSC_OK;
    dsc_log_printf(&r->cmd->log, DSC_LOG_INFO,
                   "%d tensors that the exporter has merged are split: %d more weights", n_merged,
                   n_new);
    return dsc_graph_verify(r->m->model.graph, err);
}

/* In the trained graph only: what is written has no dropout but that of a new head. */
static enum dsc_status put_dropout(struct dsc_trainrun *r, struct dsc_err *err)
{
    struct dsc_dropout_places n;

    if (!r->has_dropout)
        return DSC_OK;
    DSC_TRY(dsc_pass_put_dropout(r->graph, r->dropout, &n, err));
    if (n.n_set > 0)
        dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "dropout %g in the %d places that the model has",
                       r->dropout, n.n_set + n.n_classifier);
    else
        dsc_log_printf(&r->cmd->log, DSC_LOG_INFO,
                       "dropout %g put in: %d on embeddings, %d on attention, %d before residual "
                       "sums, %d before the classifier",
                       r->dropout, n.n_embeddings, n.n_attention, n.n_residual, n.n_classifier);
    return DSC_OK;
}

static enum dsc_status warn_copies(struct dsc_trainrun *r, struct dsc_err *err)
{
    struct dsc_param_copy *copies;
    int n;

    DSC_TRY(dsc_params_copies(r->graph, r->params, r->n_params, r->cmd->arena, &copies, &n, err));
    for (int i = 0; i < n; i++)
        dsc_log_printf(&r->cmd->log, DSC_LOG_WARNING,
                       "'%s' and '%s' are equal%s: if they were one weight in training, the export "
                       "has lost that; they are trained apart",
                       r->graph->values[r->params[copies[i].a].value].name,
                       r->graph->values[r->params[copies[i].b].value].name,
                       copies[i].is_transposed ? " but transposed" : "");
    return DSC_OK;
}

/* What was pruned is trained around its zeros. */
static enum dsc_status keep_zeros(struct dsc_trainrun *r, struct dsc_err *err)
{
    const char *const *names;
    size_t n;
    int n_kept = 0;

    DSC_TRY(dsc_props_sparse(r->m->model.graph, r->cmd->arena, &names, &n, err));
    for (size_t k = 0; k < n; k++) {
        const int value = dsc_graph_find_value(r->graph, names[k]);

        if (value < 0 || !dsc_tensor_is_present(&r->graph->values[value].init))
            return dsc_fail(err, DSC_E_INCONSISTENT, "%s names '%s', which the model does not hold",
                            DSC_PROP_SPARSITY, names[k]);
        for (int i = 0; i < r->n_params; i++) {
            if (r->params[i].value != value)
                continue;
            r->params[i].keeps_zeros = true;
            n_kept++;
        }
    }
    if (n_kept > 0 && !r->is_looking)
        dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "%d pruned tensors keep their zeros", n_kept);
    return DSC_OK;
}

/* Learned maps of the loss are no part of the model. */
static void mark_parts_of_loss(struct dsc_trainrun *r)
{
    for (int i = 0; i < r->n_params; i++)
        r->params[i].is_of_loss =
            dsc_graph_find_value(r->m->model.graph, r->graph->values[r->params[i].value].name) ==
            DSC_NO_VALUE;
}

static void log_params(struct dsc_trainrun *r)
{
    int64_t n_weights = 0;

    for (int i = 0; i < r->n_params; i++) {
        n_weights += r->params[i].n_elems;
        dsc_log_printf(&r->cmd->log, DSC_LOG_DEBUG, "trains %s (%" PRId64 ")",
                       r->graph->values[r->params[i].value].name, r->params[i].n_elems);
    }
    dsc_log_printf(&r->cmd->log, DSC_LOG_INFO,
                   "%d tensors with %" PRId64 " weights are trained; %" PRIu64 " steps on %zu rows",
                   r->n_params, n_weights, r->config.n_steps, r->train.n);
    dsc_json_int(&r->cmd->json, "trained_params", n_weights);
}

static void set_scale_rate(struct dsc_trainrun *r)
{
    for (int i = 0; r->scale_lr > 0 && i < r->n_params; i++)
        if (r->params[i].is_scale)
            r->params[i].lr_factor *= r->scale_lr / r->config.lr;
}

static enum dsc_status attach_loss(struct dsc_trainrun *r, struct dsc_err *err)
{
    static const char target[] = "dscompress.target";
    const struct dsc_type *out = &r->graph->values[r->graph->outputs[r->m->output]].type;

    r->n_out = out->rank == 2 ? out->dim[1] : 1;
    return r->teacher.is_there
               ? dsc_distill_attach(r->graph, r->m->output, r->loss, target, &r->teacher.distill,
                                    &r->loss_output, err)
               : dsc_loss_attach(r->graph, r->m->output, r->loss, target, &r->loss_output, err);
}

enum dsc_status dsc_trainrun_prepare(struct dsc_trainrun *r, struct dsc_err *err)
{
    DSC_TRY(split_merged(r, err));
    r->graph = dsc_graph_copy(r->m->model.graph, err);
    if (!r->graph)
        return err->status;
    DSC_TRY(put_dropout(r, err));
    if (r->train.target != DSC_TARGET_VALUE)
        DSC_TRY(dsc_textmodel_bare_logits(r->m, r->graph, err));
    if (r->teacher.is_there)
        DSC_TRY(
            dsc_teacher_tap(&r->teacher, r->cmd, r->m, r->graph, (int64_t)r->train.n, r->dev, err));
    r->target_input = r->graph->n_inputs;
    DSC_TRY(attach_loss(r, err));
    r->config.n_parts = r->teacher.is_there ? r->teacher.distill.n_parts : 0;
    for (int i = 0; i < r->config.n_parts; i++)
        r->config.parts[i] = r->teacher.distill.parts[i].output;
    DSC_TRY(dsc_graph_sort(r->graph, false, err));
    DSC_TRY(dsc_graph_verify(r->graph, err));
    DSC_TRY(dsc_params_find(r->graph, is_trained, r, r->cmd->arena, &r->params, &r->n_params, err));
    DSC_TRY(dsc_patterns_check(&r->freeze, err));
    DSC_TRY(dsc_patterns_check(&r->unfreeze, err));
    mark_parts_of_loss(r);
    set_scale_rate(r);
    if (!r->is_looking)
        DSC_TRY(warn_copies(r, err));
    DSC_TRY(keep_zeros(r, err));
    DSC_TRY(cut_batches(r, err));
    if (r->config.n_segments == 0)
        r->config.n_segments = n_segments_for(r->graph);
    if (!r->is_looking)
        log_params(r);
    DSC_TRY(dsc_state_open(&r->state, r->cmd, r->is_dry ? NULL : r->state_dir, r->m, &r->train,
                           r->has_dev ? &r->dev_set : NULL, err));
    DSC_TRY(dsc_trainer_open(&r->trainer, r->graph, r->loss_output, &r->config, r->n_params,
                             r->params, r->dev, err));
    return dsc_state_load(&r->state, r->trainer, err);
}

static enum dsc_status fill_teacher(const struct dsc_trainrun *r, const int64_t *idx, int64_t n,
                                    struct dsc_tensor *t, struct dsc_err *err)
{
    const int64_t n_cols = r->teacher.n_cols;
    const int rank = r->graph->values[r->graph->inputs[r->teacher.distill.teacher]].type.rank;

    DSC_TRY(dsc_tensor_new(t, DSC_F32, rank == 1 ? 1 : 2, (int64_t[]){n, n_cols}, err));
    for (int64_t i = 0; i < n; i++)
        memcpy((float *)t->data + i * n_cols, r->teacher.outputs + idx[i] * n_cols,
               (size_t)n_cols * sizeof(float));
    return DSC_OK;
}

/* 1 where a row has a label. */
static enum dsc_status fill_labelled(const struct dsc_trainrun *r, const int64_t *idx, int64_t n,
                                     struct dsc_tensor *t, struct dsc_err *err)
{
    const int rank = r->graph->values[r->graph->inputs[r->teacher.distill.labelled]].type.rank;
    const int64_t n_labelled = (int64_t)dsc_dataset_n_own(&r->train);

    DSC_TRY(dsc_tensor_new(t, DSC_F32, rank, (int64_t[]){n, 1}, err));
    for (int64_t i = 0; i < n; i++)
        dsc_tensor_set_f64(t, i, idx[i] < n_labelled);
    return DSC_OK;
}

/* What the teacher adds: its outputs, which rows have labels, and numbers of the moment. */
static enum dsc_status fill_distill(const struct dsc_trainrun *r, const int64_t *idx, int64_t n,
                                    struct dsc_tensor *feeds, struct dsc_err *err)
{
    const struct dsc_distill *d = &r->teacher.distill;
    const uint64_t step = dsc_trainer_n_done(r->trainer);

    DSC_TRY(fill_teacher(r, idx, n, &feeds[d->teacher], err));
    DSC_TRY(dsc_teacher_fill(&r->teacher, r->m, &r->train, idx, n, feeds, err));
    if (d->labelled >= 0)
        DSC_TRY(fill_labelled(r, idx, n, &feeds[d->labelled], err));
    for (int i = 0; i < d->n_ramps; i++) {
        struct dsc_tensor *t = &feeds[d->ramps[i].input];

        DSC_TRY(dsc_tensor_new(t, DSC_F32, 0, NULL, err));
        dsc_tensor_set_f64(t, 0, dsc_ramp_at(d->ramps[i].ramp, step, r->config.n_steps));
    }
    return DSC_OK;
}

/* Of rows without a label it is any: their loss counts as 0. */
static enum dsc_status fill_target(const struct dsc_trainrun *r, const int64_t *idx, int64_t n,
                                   struct dsc_tensor *t, struct dsc_err *err)
{
    const struct dsc_type *type = &r->graph->values[r->graph->inputs[r->target_input]].type;
    const struct dsc_dataset *d = &r->train;
    const int64_t n_labelled = (int64_t)dsc_dataset_n_own(d);

    DSC_TRY(dsc_tensor_new(t, r->loss->target_dtype, type->rank == 2 ? 2 : 1, (int64_t[]){n, 1},
                           err)); /* [n, 1] where the output is so */
    for (int64_t i = 0; i < n; i++)
        if (idx[i] >= n_labelled)
            dsc_tensor_set_i64(t, i, 0);
        else if (d->target == DSC_TARGET_VALUE)
            dsc_tensor_set_f64(t, i, d->value[idx[i]]);
        else
            dsc_tensor_set_i64(t, i, d->label[idx[i]]);
    return DSC_OK;
}

static enum dsc_status fill(void *ctx, const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                            struct dsc_err *err)
{
    struct dsc_trainrun *r = ctx;

    DSC_TRY(dsc_textmodel_fill(r->m, &r->train, idx, n, feeds, err));
    DSC_TRY(fill_target(r, idx, n, &feeds[r->target_input], err));
    return r->teacher.is_there ? fill_distill(r, idx, n, feeds, err) : DSC_OK;
}

static struct dsc_train_data data_of(struct dsc_trainrun *r)
{
    return (struct dsc_train_data){
        .n_examples = (int64_t)r->train.n, .fill = fill, .ctx = r, .length = r->length};
}

/* The trainer's weights in a graph of their own, since evaluation runs another graph. */
static enum dsc_status score_graph(struct dsc_trainrun *r, struct dsc_textmodel *m,
                                   struct dsc_err *err)
{
    *m = *r->m;
    m->model.graph = dsc_graph_copy(r->m->model.graph, err);
    if (!m->model.graph)
        return err->status;
    DSC_TRY(dsc_trainer_write_weights(r->trainer, m->model.graph, err));
    return dsc_pass_strip_dropout(m->model.graph, err);
}

static enum dsc_status metric_of(struct dsc_trainrun *r, const struct dsc_predictions *p,
                                 const struct dsc_metric **metric, struct dsc_err *err)
{
    int n = 0;
    const char *const *items =
        dsc_opt_is_set(r->cmd, DSC_OPT_metric) ? dsc_opt_items(r->cmd, DSC_OPT_metric, &n) : NULL;

    return dsc_metric_named(n > 0               ? items[0]
                            : p->n_classes == 0 ? "mse"
                            : p->positive >= 0  ? "f1"
                                                : "accuracy",
                            metric, err);
}

static enum dsc_status score(struct dsc_trainrun *r, uint64_t epoch, struct dsc_err *err)
{
    struct dsc_progress *progress = r->cmd->progress;
    struct dsc_textmodel m = {0};
    struct dsc_session *s = NULL;
    struct dsc_predictions p;
    const struct dsc_metric *metric;
    float *logits = NULL;
    int64_t n_cols;
    double value;
    enum dsc_status st;

    r->cmd->progress = NULL; /* the step bar stays as it is */
    DSC_TRY_OUT(st, score_graph(r, &m, err));
    DSC_TRY_OUT(st, dsc_session_open(&s, m.model.graph, r->dev, err));
    DSC_TRY_OUT(
        st, dsc_textmodel_predict(&m, r->cmd, s, &r->dev_set, r->n_at_once, &logits, &n_cols, err));
    DSC_TRY_OUT(st, dsc_textmodel_judge(&m, &r->dev_set, logits, n_cols, r->cmd->arena, &p, err));
    DSC_TRY_OUT(st, metric_of(r, &p, &metric, err));
    DSC_TRY_OUT(st, dsc_metric_value(metric, &p, &value, err));
    if (progress)
        dsc_progress_hide(progress);
    dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "epoch %" PRIu64 ": loss %.4f, %s %.4f on %zu rows",
                   epoch, r->last_loss, metric->name, value, r->dev_set.n);
    DSC_TRY_OUT(
        st, dsc_state_score(&r->state, dsc_trainer_n_done(r->trainer), metric->name, value, err));
    if (epoch == (uint64_t)r->n_epochs) {
        dsc_json_object(&r->cmd->json, "metrics");
        dsc_json_float(&r->cmd->json, metric->name, value);
        dsc_json_end(&r->cmd->json);
    }
out:
    r->cmd->progress = progress;
    dsc_heap_free(logits);
    dsc_session_close(s);
    dsc_graph_free(m.model.graph);
    return st;
}

/* What the loss is made of, in the first step and at the end of each epoch. */
static void tell_parts(struct dsc_trainrun *r, const struct dsc_train_report *report)
{
    const struct dsc_distill *d = &r->teacher.distill;
    char text[512];
    size_t at = 0;

    for (int i = 0; r->teacher.is_there && i < d->n_parts && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %.4g", i ? ", " : "",
                               d->parts[i].name, report->parts[i]);
    if (at > 0)
        dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "step %" PRIu64 ": %s", report->step, text);
}

static enum dsc_status one_step(struct dsc_trainrun *r, const struct dsc_train_data *data,
                                struct dsc_err *err)
{
    const uint64_t per_epoch = dsc_train_steps_per_epoch(data->n_examples, r->config.batch);
    const double start = dsc_now_s();
    struct dsc_train_report report;

    DSC_TRY(dsc_cmd_stopped(r->cmd, err));
    if (dsc_trainer_step(r->trainer, data, &report, err) != DSC_OK)
        return dsc_textmodel_hint_length(r->m, err);
    r->last_loss = report.loss;
    memcpy(r->last_parts, report.parts, sizeof report.parts);
    if (report.step == 1 || report.step % per_epoch == 0)
        tell_parts(r, &report);
    r->n_seen += report.n_examples;
    dsc_progress_update(r->cmd->progress, (int64_t)report.step,
                        (struct dsc_progress_field[]){
                            {"loss", report.loss},
                            {"lr", report.lr},
                            {"grad", report.grad_norm},
                            {"examples_per_s", (double)r->n_seen / (dsc_now_s() - r->start_s)}},
                        4);
    DSC_TRY(dsc_state_metrics(&r->state, &report, (double)report.n_examples / (dsc_now_s() - start),
                              err));
    if (r->after_step)
        DSC_TRY(r->after_step(r->ctx, report.step, err));
    if (report.step % per_epoch == 0 && r->has_dev)
        DSC_TRY(score(r, report.step / per_epoch, err));
    return report.step % per_epoch == 0 ? dsc_state_save(&r->state, r->trainer, err)
                                        : dsc_state_tick(&r->state, r->trainer, err);
}

/* A stop by signal leaves a checkpoint of all that was done. */
static enum dsc_status save_at_stop(struct dsc_trainrun *r, enum dsc_status st)
{
    struct dsc_err err = {0};

    if (st != DSC_E_INTERRUPTED && st != DSC_E_TERMINATED)
        return st;
    if (dsc_state_save(&r->state, r->trainer, &err) != DSC_OK)
        dsc_log_printf(&r->cmd->log, DSC_LOG_WARNING, "the state could not be saved: %s",
                       err.message);
    return st;
}

static enum dsc_status ask_teacher(struct dsc_trainrun *r, struct dsc_err *err)
{
    DSC_TRY(dsc_teacher_align(&r->teacher, r->cmd, r->m, &r->train, err));
    return dsc_teacher_ask(&r->teacher, r->cmd, &r->train, r->n_out, r->n_at_once, r->dev, err);
}

enum dsc_status dsc_trainrun_loop(struct dsc_trainrun *r, struct dsc_err *err)
{
    const struct dsc_train_data data = data_of(r);
    struct dsc_progress progress;
    enum dsc_status st = DSC_OK;

    DSC_TRY(ask_teacher(r, err));
    r->start_s = dsc_now_s();
    dsc_progress_begin(r->cmd, &progress, r->cmd->row->name, "steps",
                       (int64_t)dsc_trainer_n_done(r->trainer), (int64_t)r->config.n_steps);
    while (st == DSC_OK && dsc_trainer_n_done(r->trainer) < r->config.n_steps)
        st = one_step(r, &data, err);
    st = save_at_stop(r, st);
    dsc_progress_end(r->cmd);
    r->seconds = dsc_now_s() - r->start_s;
    return st;
}

enum dsc_status dsc_trainrun_look(struct dsc_trainrun *r, int n,
                                  enum dsc_status (*visit)(void *ctx, struct dsc_err *err),
                                  void *ctx, struct dsc_err *err)
{
    const struct dsc_train_data data = data_of(r);
    struct dsc_train_report report;

    DSC_TRY(ask_teacher(r, err));
    for (int i = 0; i < n; i++) {
        DSC_TRY(dsc_cmd_stopped(r->cmd, err));
        if (dsc_trainer_look(r->trainer, &data, &report, err) != DSC_OK)
            return dsc_textmodel_hint_length(r->m, err);
        DSC_TRY(visit(ctx, err));
    }
    return DSC_OK;
}

void dsc_trainrun_release(struct dsc_trainrun *r)
{
    dsc_state_close(&r->state);
    dsc_trainer_close(r->trainer);
    dsc_graph_free(r->graph);
    r->trainer = NULL;
    r->graph = NULL;
    r->is_looking = false;
}

static void report_weights(struct dsc_trainrun *r)
{
    struct dsc_json *j = &r->cmd->json;

    dsc_json_array(j, "trained");
    for (int i = 0; i < r->n_params; i++) {
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", r->graph->values[r->params[i].value].name);
        dsc_json_int(j, "elements", r->params[i].n_elems);
        dsc_json_end(j);
    }
    dsc_json_end(j);
}

enum dsc_status dsc_trainrun_rehearse(struct dsc_trainrun *r, struct dsc_err *err)
{
    const struct dsc_train_data data = data_of(r);
    const double start = dsc_now_s();
    struct dsc_json *j = &r->cmd->json;
    struct dsc_train_report report;
    double step_s;
    int64_t n = 0;

    DSC_TRY(ask_teacher(r, err));
    DSC_TRY(dsc_trainer_step(r->trainer, &data, &report, err));
    step_s = dsc_now_s() - start;
    for (int i = 0; i < r->n_params; i++)
        n += r->params[i].n_elems;
    fprintf(r->cmd->out,
            "would train %d tensors with %" PRId64 " weights\n"
            "on %zu rows, %" PRId64 " an update: %" PRIu64 " steps in %" PRId64 " epochs\n",
            r->n_params, n, r->train.n, r->config.batch, r->config.n_steps, r->n_epochs);
    if (r->has_dev)
        fprintf(r->cmd->out, "and score on %zu rows after each epoch\n", r->dev_set.n);
    fprintf(r->cmd->out, "a first step: loss %.4f, %.2f s; all of them: about %.0f s\n",
            report.loss, step_s, step_s * (double)r->config.n_steps);
    fprintf(r->cmd->out, "%s is not written\n", dsc_opt_text(r->cmd, DSC_OPT_output));
    report_weights(r);
    dsc_json_int(j, "steps", (int64_t)r->config.n_steps);
    dsc_json_int(j, "rows", (int64_t)r->train.n);
    dsc_json_int(j, "eval_rows", r->has_dev ? (int64_t)r->dev_set.n : 0);
    dsc_json_float(j, "loss", report.loss);
    dsc_json_float(j, "step_s", step_s);
    dsc_json_bool(j, "dry_run", true);
    return DSC_OK;
}

static enum dsc_status write_codes(struct dsc_trainrun *r, struct dsc_err *err)
{
    struct dsc_quant_target target = *dsc_quant_target_find("generic");

    if (!r->is_quantized)
        return DSC_OK;
    target.has_int_bias = r->has_int_bias;
    return dsc_quant_finish(r->m->model.graph, &target, err);
}

static void report_parts(struct dsc_trainrun *r)
{
    const struct dsc_distill *d = &r->teacher.distill;
    struct dsc_json *j = &r->cmd->json;

    if (!r->teacher.is_there)
        return;
    dsc_json_array(j, "parts");
    for (int i = 0; i < d->n_parts; i++) {
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", d->parts[i].name);
        dsc_json_float(j, "value", r->last_parts[i]);
        dsc_json_end(j);
    }
    dsc_json_end(j);
}

enum dsc_status dsc_trainrun_finish(struct dsc_trainrun *r, struct dsc_err *err)
{
    struct dsc_json *j = &r->cmd->json;
    const double rate = r->n_seen > 0 ? (double)r->n_seen / r->seconds : 0; /* of this run */

    DSC_TRY(dsc_trainer_write_weights(r->trainer, r->m->model.graph, err));
    if (r->norm_rows > 0)
        DSC_TRY(dsc_normrun(r->cmd, r->m, &r->train, r->norm_rows, r->n_at_once, r->dev, err));
    DSC_TRY(write_codes(r, err));
    dsc_json_int(j, "steps", (int64_t)r->config.n_steps);
    dsc_json_float(j, "loss", r->last_loss);
    report_parts(r);
    dsc_json_float(j, "examples_per_s", rate);
    fprintf(r->cmd->out, "%" PRIu64 " steps, last loss %.4f, %.1f examples/s\n", r->config.n_steps,
            r->last_loss, rate);
    return DSC_OK;
}

void dsc_trainrun_close(struct dsc_trainrun *r)
{
    dsc_state_close(&r->state);
    dsc_trainer_close(r->trainer);
    dsc_graph_free(r->graph);
    dsc_teacher_close(&r->teacher);
    dsc_patterns_close(&r->freeze);
    dsc_patterns_close(&r->unfreeze);
    dsc_dataset_close(&r->train);
    dsc_dataset_close(&r->unlabeled);
    dsc_dataset_close(&r->dev_set);
}
