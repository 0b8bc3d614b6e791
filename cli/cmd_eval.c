/* eval: metrics of a model on labelled rows, with intervals. */
#include "cmd.h"
#include "dsc/eval.h"
#include "models.h"
#include "progress.h"
#include "table.h"
#include "textmodel.h"

#include <inttypes.h>

struct job {
    struct dsc_cmd *cmd;
    struct dsc_textmodel m;
    struct dsc_dataset d;
    struct dsc_device *dev;
    struct dsc_session *s;
    float *logits;
    int64_t n_cols;
    struct dsc_predictions p;
    double seconds;
    int64_t batch, limit;
    uint64_t seed;
    bool may_replace;
    const char *const *metric_names; /* NULL: by default */
    int n_metric_names;
};

/* The metrics asked for; by default those that such predictions have. */
static enum dsc_status choose(struct job *j, const struct dsc_metric ***list, size_t *n,
                              struct dsc_err *err)
{
    static const char *const class_names[] = {"accuracy", "f1", "f1-macro"};
    static const char *const value_names[] = {"mse", "pearson", "spearman"};
    const bool is_default = !j->metric_names;
    const char *const *names = j->metric_names  ? j->metric_names
                               : j->p.n_classes ? class_names
                                                : value_names;
    const int n_items = is_default ? 3 : j->n_metric_names;

    DSC_NEW(*list, j->cmd->arena, n_items, err);
    *n = 0;
    for (int i = 0; i < n_items; i++) {
        const struct dsc_metric *m;

        DSC_TRY(dsc_metric_named(names[i], &m, err));
        if (is_default && m->is_of_positive && j->p.positive < 0)
            continue;
        (*list)[(*n)++] = m;
    }
    return DSC_OK;
}

static enum dsc_status report_metrics(struct job *j, struct dsc_err *err)
{
    struct dsc_bootstrap b = {.seed = j->seed};
    const struct dsc_metric **list;
    struct dsc_interval *v;
    struct dsc_table t;
    size_t n = 0;

    DSC_TRY(choose(j, &list, &n, err));
    DSC_TRY(dsc_cmd_pool(j->cmd, &b.pool, err));
    DSC_NEW(v, j->cmd->arena, n, err);
    DSC_TRY(dsc_metric_intervals(&b, 0.95, list, n, &j->p, v, err));
    dsc_table_init(&t, j->cmd->arena, "metric,>value,>low,>high");
    dsc_json_object(&j->cmd->json, "metrics");
    for (size_t i = 0; i < n; i++) {
        dsc_table_cell(&t, "%s", list[i]->name);
        dsc_table_cell(&t, "%.4f", v[i].value);
        dsc_table_cell(&t, "%.4f", v[i].low);
        dsc_table_cell(&t, "%.4f", v[i].high);
        dsc_json_object(&j->cmd->json, list[i]->name);
        dsc_json_float(&j->cmd->json, "value", v[i].value);
        dsc_json_float(&j->cmd->json, "low", v[i].low);
        dsc_json_float(&j->cmd->json, "high", v[i].high);
        dsc_json_end(&j->cmd->json);
    }
    dsc_json_end(&j->cmd->json);
    return dsc_table_print(&t, j->cmd->out, err);
}

static enum dsc_status print_confusion(struct job *j, struct dsc_err *err)
{
    const int32_t k = j->p.n_classes;
    uint64_t *count;

    if (k == 0)
        return dsc_fail(err, DSC_E_USAGE, "--confusion is for classes");
    DSC_NEW(count, j->cmd->arena, (size_t)k * (size_t)k, err);
    for (size_t i = 0; i < j->p.n; i++)
        count[j->p.y_true[i] * k + j->p.y_pred[i]]++;
    fprintf(j->cmd->out, "\nconfusion (rows: true, columns: predicted)\n");
    dsc_json_array(&j->cmd->json, "confusion");
    for (int32_t r = 0; r < k; r++) {
        fprintf(j->cmd->out, "  %-16s", j->m.n_labels ? j->m.labels[r] : "");
        dsc_json_array(&j->cmd->json, NULL);
        for (int32_t c = 0; c < k; c++) {
            fprintf(j->cmd->out, " %8" PRIu64, count[r * k + c]);
            dsc_json_int(&j->cmd->json, NULL, (int64_t)count[r * k + c]);
        }
        fprintf(j->cmd->out, "\n");
        dsc_json_end(&j->cmd->json);
    }
    dsc_json_end(&j->cmd->json);
    return DSC_OK;
}

static void prediction_line(const struct job *j, size_t i, struct dsc_json *line)
{
    const int32_t k = j->p.n_classes;

    dsc_json_object(line, NULL);
    dsc_json_int(line, "row", j->d.row[i]);
    if (k == 0) {
        dsc_json_float(line, "target", j->p.target[i]);
        dsc_json_float(line, "prediction", j->p.value[i]);
    } else {
        dsc_json_int(line, "label", j->p.y_true[i]);
        dsc_json_int(line, "prediction", j->p.y_pred[i]);
        dsc_json_array(line, "probabilities");
        for (int32_t c = 0; c < k; c++)
            dsc_json_float(line, NULL, j->p.prob[(int64_t)i * k + c]);
        dsc_json_end(line);
    }
    dsc_json_end(line);
}

static enum dsc_status write_predictions(struct job *j, const char *path, struct dsc_err *err)
{
    enum dsc_status st = DSC_OK;
    struct dsc_out o;

    DSC_TRY(dsc_out_open(&o, path, j->may_replace, err));
    for (size_t i = 0; i < j->p.n && st == DSC_OK; i++) {
        struct dsc_json line = {0};

        prediction_line(j, i, &line);
        if (line.text.is_failed)
            st = dsc_fail(err, DSC_E_MEMORY, "no memory for a line of predictions");
        dsc_out_write(&o, line.text.data, line.text.n_bytes);
        dsc_out_text(&o, "\n");
        dsc_json_clear(&line);
    }
    if (st == DSC_OK)
        return dsc_out_commit(&o, err);
    dsc_out_abort(&o);
    return st;
}

static enum dsc_status predict(struct job *j, struct dsc_err *err)
{
    struct dsc_progress progress;
    const double start = dsc_now_s();
    enum dsc_status st;

    dsc_progress_begin(j->cmd, &progress, "eval", "examples", 0, (int64_t)j->d.n);
    st = dsc_textmodel_predict(&j->m, j->cmd, j->s, &j->d, j->batch, &j->logits, &j->n_cols, err);
    dsc_progress_end(j->cmd);
    j->seconds = dsc_now_s() - start;
    return st == DSC_OK
               ? dsc_textmodel_judge(&j->m, &j->d, j->logits, j->n_cols, j->cmd->arena, &j->p, err)
               : st;
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;
    const char *file = dsc_opt_text(cmd, DSC_OPT_predictions);
    const bool wants_confusion = dsc_opt_flag(cmd, DSC_OPT_confusion);

    j->batch = dsc_opt_int(cmd, DSC_OPT_batch);
    j->limit = dsc_opt_is_set(cmd, DSC_OPT_limit) ? dsc_opt_int(cmd, DSC_OPT_limit) : 0;
    j->seed = (uint64_t)dsc_opt_int(cmd, DSC_OPT_seed);
    j->may_replace = dsc_opt_flag(cmd, DSC_OPT_force);
    if (dsc_opt_is_set(cmd, DSC_OPT_metric))
        j->metric_names = dsc_opt_items(cmd, DSC_OPT_metric, &j->n_metric_names);
    DSC_TRY(dsc_cmd_device(cmd, &j->dev, err));
    DSC_TRY(dsc_textmodel_open(&j->m, cmd, cmd->args[0], err));
    DSC_TRY(dsc_textmodel_data(&j->m, cmd, dsc_opt_text(cmd, DSC_OPT_data), DSC_PART_ALL, true,
                               &j->d, err));
    if (j->limit > 0 && (size_t)j->limit < j->d.n)
        j->d.n = (size_t)j->limit;
    DSC_TRY(dsc_cmd_check_used(cmd, err));
    DSC_TRY(dsc_textmodel_to_inference(&j->m, j->dev, err));
    DSC_TRY(dsc_session_open(&j->s, j->m.model.graph, j->dev, err));
    DSC_TRY(predict(j, err));
    DSC_TRY(report_metrics(j, err));
    if (wants_confusion)
        DSC_TRY(print_confusion(j, err));
    if (file)
        DSC_TRY(write_predictions(j, file, err));
    fprintf(cmd->out, "%zu examples, %.1f/s, %d integer products\n", j->p.n,
            (double)j->p.n / j->seconds, j->m.n_int);
    dsc_json_int(&cmd->json, "n", (int64_t)j->p.n);
    dsc_json_float(&cmd->json, "examples_per_s", (double)j->p.n / j->seconds);
    dsc_json_int(&cmd->json, "int_products", j->m.n_int);
    return DSC_OK;
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd};
    const enum dsc_status st = work(&j, err);

    dsc_heap_free(j.logits);
    dsc_session_close(j.s);
    dsc_dataset_close(&j.d);
    dsc_textmodel_close(&j.m);
    dsc_device_close(j.dev);
    return st;
}

const struct dsc_command dsc_command_eval = {
    .name = "eval",
    .args = "MODEL",
    .summary = "score a model on labelled data, with intervals",
    .about = "Runs the model on every row and prints each metric with its 95 % bootstrap interval "
             "(10,000 seeded draws). Metrics equal scikit-learn's. A quantized model runs on "
             "integers.\n\n"
             "f1, precision and recall are of the positive class: two classes that are not called "
             "0 and 1 need --positive, unless the model stores it.",
    .examples = "dscompress eval model.onnx --data test.tsv --metric f1,accuracy\n"
                "dscompress eval model.onnx --data sms.tsv --split 70/10/20 --part test --json\n"
                "dscompress eval mlp.onnx --data rows.npz --metric accuracy,log-loss",
    .needs = "data",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
