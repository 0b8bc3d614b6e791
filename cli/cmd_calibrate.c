/* calibrate: histograms of activations into a file, and such files merged. */
#include "cmd.h"
#include "models.h"
#include "observe.h"
#include "output.h"
#include "table.h"

struct job {
    struct dsc_cmd *cmd;
    struct dsc_textmodel m;
    struct dsc_dataset d;
    struct dsc_device *dev;
    struct dsc_ranges *ranges;
    char model[65]; /* sha256; "" if the merged files do not say it */
};

static enum dsc_status report(struct job *j, struct dsc_err *err)
{
    struct dsc_table t;

    dsc_table_init(&t, j->cmd->arena, "tensor,>values,>low,>high");
    dsc_json_array(&j->cmd->json, "tensors");
    for (int i = 0; i < dsc_ranges_n(j->ranges); i++) {
        const char *name = dsc_ranges_name(j->ranges, i);
        const struct dsc_hist *h = dsc_ranges_hist(j->ranges, name);

        dsc_table_cell(&t, "%s", name);
        dsc_table_cell(&t, "%llu", (unsigned long long)h->n);
        dsc_table_cell(&t, "%.5g", h->low);
        dsc_table_cell(&t, "%.5g", h->high);
        dsc_json_object(&j->cmd->json, NULL);
        dsc_json_text(&j->cmd->json, "name", name);
        dsc_json_int(&j->cmd->json, "values", (int64_t)h->n);
        dsc_json_float(&j->cmd->json, "low", h->low);
        dsc_json_float(&j->cmd->json, "high", h->high);
        dsc_json_end(&j->cmd->json);
    }
    dsc_json_end(&j->cmd->json);
    return dsc_table_print(&t, j->cmd->out, err);
}

static enum dsc_status merge(struct job *j, struct dsc_err *err)
{
    DSC_TRY(dsc_cmd_check_used(j->cmd, err));
    if (j->cmd->n_args < 2)
        return dsc_fail(err, DSC_E_USAGE, "--merge takes two or more ranges files");
    DSC_TRY(dsc_ranges_read(j->ranges, j->cmd->args[0], j->model, err));
    for (int i = 1; i < j->cmd->n_args; i++) {
        struct dsc_ranges *other = dsc_ranges_new(err);
        enum dsc_status st =
            other ? dsc_ranges_read(other, j->cmd->args[i], j->model, err) : DSC_E_MEMORY;

        if (st == DSC_OK && dsc_ranges_merge(j->ranges, other, err) != DSC_OK)
            st = dsc_err_file(err, j->cmd->args[i]);
        dsc_ranges_free(other);
        DSC_TRY(st);
    }
    return DSC_OK;
}

/* The activations before weights are observed: every target wants the same. */
static enum dsc_status observe(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;
    const char *data = dsc_opt_text(cmd, DSC_OPT_data);
    const int64_t batch = dsc_opt_int(cmd, DSC_OPT_batch);
    const int64_t limit = dsc_opt_is_set(cmd, DSC_OPT_limit) ? dsc_opt_int(cmd, DSC_OPT_limit) : 0;
    struct dsc_quant_plan plan;
    enum dsc_part part = DSC_PART_TRAIN;
    int64_t n;

    if (dsc_opt_is_set(cmd, DSC_OPT_part))
        DSC_TRY(dsc_part_parse(dsc_opt_text(cmd, DSC_OPT_part), &part, err));
    if (!data)
        return dsc_fail(err, DSC_E_USAGE, "calibrate needs --data DATA (or --merge)");
    if (cmd->n_args != 1)
        return dsc_fail(err, DSC_E_USAGE, "calibrate takes one model");
    DSC_TRY(dsc_cmd_device(cmd, &j->dev, err));
    DSC_TRY(dsc_textmodel_open(&j->m, cmd, cmd->args[0], err));
    DSC_TRY(dsc_textmodel_data(&j->m, cmd, data, part, false, &j->d, err));
    DSC_TRY(dsc_cmd_check_used(cmd, err));
    DSC_TRY(dsc_provenance_hash_model(j->m.path, j->model, err));
    DSC_TRY(dsc_quant_prepare(j->m.model.graph, err));
    DSC_TRY(dsc_quant_make_plan(j->m.model.graph, dsc_quant_target_find("generic"), NULL, NULL,
                                cmd->arena, &plan, err));
    DSC_TRY(dsc_observe_watch(j->ranges, j->m.model.graph, &plan, err));
    n = limit > 0 && limit < (int64_t)j->d.n ? limit : (int64_t)j->d.n;
    return dsc_observe_run(cmd, &j->m, &j->d, n, batch, j->dev, j->ranges, err);
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;

    DSC_TRY(dsc_output_check(cmd, err));
    j->ranges = dsc_ranges_new(err);
    if (!j->ranges)
        return DSC_E_MEMORY;
    DSC_TRY(dsc_opt_flag(cmd, DSC_OPT_merge) ? merge(j, err) : observe(j, err));
    DSC_TRY(dsc_ranges_write(j->ranges, dsc_opt_text(cmd, DSC_OPT_output), j->model,
                             dsc_opt_flag(cmd, DSC_OPT_force), err));
    return report(j, err);
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd};
    const enum dsc_status st = work(&j, err);

    dsc_ranges_free(j.ranges);
    dsc_dataset_close(&j.d);
    dsc_textmodel_close(&j.m);
    dsc_device_close(j.dev);
    return st;
}

const struct dsc_command dsc_command_calibrate = {
    .name = "calibrate",
    .args = "MODEL|RANGES..",
    .summary = "observe the ranges of activations once, or merge such files",
    .about =
        "Runs the model on the data and counts every activation that could be quantized in a "
        "histogram (36 KB a tensor, whatever the number of rows). quantize --ranges reads the "
        "file, for the same MODEL only; the observer is chosen there. Of --split the train part "
        "is taken, unless --part names another.\n\n"
        "Bins are powers of two, so merging the files of shards adds their counts exactly, in "
        "any order.",
    .examples = "dscompress calibrate sms.onnx --data sms.tsv --split 70/10/20 -o sms.ranges\n"
                "dscompress calibrate --merge a.ranges b.ranges -o all.ranges",
    .needs = "output",
    .n_args_min = 1,
    .n_args_max = 1024,
    .run = run,
};
