/* quantize: int8, after training or while training. */
#include "choose.h"
#include "cmd.h"
#include "dsc/pass.h"
#include "models.h"
#include "observe.h"
#include "output.h"
#include "quantrun.h"
#include "sensitivity.h"
#include "staticrun.h"
#include "trainrun.h"
#include "weightrun.h"

#include <string.h>

/* Words of --method, in its order; then what static becomes by other options. */
enum method {
    METHOD_STATIC,
    METHOD_DYNAMIC,
    METHOD_WEIGHT_ONLY,
    METHOD_QAT,
    METHOD_MIXED,   /* --sensitivity, --target-size, --max-drop, --retain */
    METHOD_PLANNED, /* --plan */
};

/* Batches that are observed before QAT learns: 8 of 32 rows keep outliers (docs/adr/0002). */
#define QAT_OBSERVED_BATCHES "8"

struct job;

enum { SCHEMES_MAX = 6, DISREGARDED_MAX = 2 };

struct method_row {
    const char *name;
    enum dsc_status (*run)(struct job *j, struct dsc_err *err);
    const char *schemes[SCHEMES_MAX]; /* of --scheme, the default first */
    bool has_ranges;                  /* of activations, known when the file is written */
    bool may_write_nothing;           /* -o is not all that can be asked for */
    bool may_choose;                  /* what was not said, by trying (--choose) */
    bool rounds_by_rows;              /* GPTQ by default where there are rows */
    bool narrows_tables;              /* --embeddings of static ranges */
    enum dsc_opt_id disregarded[DISREGARDED_MAX]; /* no effect, though the common part reads them */
    int n_disregarded;
};

struct job {
    struct dsc_cmd *cmd;
    const struct method_row *row;
    struct dsc_textmodel m;
    struct dsc_quantrun q;
    struct dsc_trainrun r;
    struct dsc_weightrun w;
    struct dsc_sensitivity s;
    struct dsc_dataset calib;
    struct dsc_device *dev;
    const char *ranges; /* of --ranges */
    struct dsc_staticrun p;
    int64_t batch;
    uint64_t size_before;
    bool is_dry;
    enum dsc_choice choice;
};

static enum dsc_status read_calib(struct job *j, const char *data, struct dsc_err *err)
{
    const int64_t limit = dsc_opt_int(j->cmd, DSC_OPT_calib_rows);

    DSC_TRY(dsc_textmodel_data(&j->m, j->cmd, data, DSC_PART_TRAIN, j->s.n_checks > 0 && !j->s.eval,
                               &j->calib, err));
    dsc_json_int(&j->cmd->json, "calib_rows_read", (int64_t)j->calib.n);
    DSC_TRY(dsc_dataset_spread(&j->calib, (size_t)limit, j->cmd->arena, err));
    dsc_json_int(&j->cmd->json, "calib_rows", (int64_t)j->calib.n);
    return DSC_OK;
}

/* All options have been read. */
static enum dsc_status start(struct job *j, bool has_rows, struct dsc_err *err)
{
    static const enum dsc_opt_id of_rows[] = {DSC_OPT_batch, DSC_OPT_pad_to, DSC_OPT_calib_rows};

    dsc_opt_disregard(j->cmd, j->row->disregarded, j->row->n_disregarded);
    if (!has_rows)
        dsc_opt_disregard(j->cmd, of_rows, sizeof of_rows / sizeof of_rows[0]);
    return dsc_cmd_check_used(j->cmd, err);
}

/* --equalize on, which a model without such layers cannot take. */
static enum dsc_status read_equalize(struct job *j, struct dsc_err *err)
{
    j->p.equalizes = dsc_opt_enum(j->cmd, DSC_OPT_equalize) == 1;
    if (!j->p.equalizes || dsc_pass_equalizable(j->m.model.graph) > 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE,
             "--equalize: no two layers have only Relu, LeakyRelu, PRelu or nothing between them");
    dsc_err_hint(err, "--smooth moves ranges from activations into weights behind other functions");
    return dsc_err_file(err, j->cmd->args[0]);
}

/* For the methods that do it as the first thing. */
static enum dsc_status equalize(struct job *j, struct dsc_err *err)
{
    return j->p.equalizes ? dsc_equalizerun(j->cmd, j->m.model.graph, err) : DSC_OK;
}

/* GPTQ needs rows, and gives codes by channel in their whole range. */
static enum dsc_status choose_rounding(struct job *j, struct dsc_err *err)
{
    /* what is chosen by the rows */
    const bool can_gptq = j->calib.n > 0 && !j->q.is_per_tensor && !(j->q.weight_limit < 127);
    const char *best = can_gptq && j->row->rounds_by_rows ? "gptq" : "nearest";

    DSC_TRY(dsc_opt_resolve(j->cmd, DSC_OPT_rounding, best, err));
    j->p.rounding = dsc_opt_enum(j->cmd, DSC_OPT_rounding);
    dsc_json_text(&j->cmd->json, "rounding", dsc_opt_text(j->cmd, DSC_OPT_rounding));
    if (j->p.rounding == DSC_ROUND_AWQ)
        return dsc_fail(err, DSC_E_USAGE, "--rounding awq is of --method weight-only");
    if (j->p.rounding != DSC_ROUND_NEAREST && !can_gptq)
        return dsc_fail(err, DSC_E_USAGE,
                        "--rounding %s needs --calib DATA, and goes without --granularity tensor "
                        "and --reduce-range",
                        dsc_opt_text(j->cmd, DSC_OPT_rounding));
    if (j->p.rounding == DSC_ROUND_ADAROUND)
        j->p.n_steps = dsc_opt_int(j->cmd, DSC_OPT_rounding_steps);
    return DSC_OK;
}

/* Where ranges come from; rows of --calib beside --ranges are what the file is verified on. */
static enum dsc_status open_static(struct job *j, struct dsc_err *err)
{
    const char *data = dsc_opt_text(j->cmd, DSC_OPT_calib);

    j->ranges = dsc_opt_text(j->cmd, DSC_OPT_ranges);
    if (!data && !j->ranges)
        return dsc_fail(err, DSC_E_USAGE,
                        "quantize --method static needs --calib DATA, or --ranges FILE");
    j->choice = DSC_CHOOSE_NEVER;
    if (!j->ranges && j->row->may_choose)
        j->choice = (enum dsc_choice)dsc_opt_enum(j->cmd, DSC_OPT_choose);
    if (!j->ranges) /* an error in it is told before anything is read */
        DSC_TRY(dsc_smooth_parse(dsc_choose_untried_smooth(j->cmd), &j->p.smooth, err));
    if (!j->ranges)
        DSC_TRY(read_equalize(j, err));
    if (dsc_opt_enum(j->cmd, DSC_OPT_bias_correction) == 1 && !data)
        return dsc_fail(err, DSC_E_USAGE, "--bias-correction on needs --calib DATA");
    if (data)
        DSC_TRY(read_calib(j, data, err));
    return choose_rounding(j, err);
}

/* What was not said, and the ranges. */
static enum dsc_status observe_static(struct job *j, struct dsc_err *err)
{
    char model[65];

    if (j->ranges) { /* they are of the graph as it is */
        DSC_TRY(dsc_opt_resolve(j->cmd, DSC_OPT_bias_correction, "off", err));
        j->p.corrects_biases = dsc_opt_enum(j->cmd, DSC_OPT_bias_correction) == 1;
        DSC_TRY(dsc_provenance_hash_model(j->m.path, model, err));
        DSC_TRY(dsc_ranges_read(j->q.ranges, j->ranges, model, err));
        DSC_TRY(dsc_provenance_file(j->cmd, "ranges", j->ranges, err));
        if (dsc_ranges_check_observer(j->q.ranges, j->q.observer, err) != DSC_OK)
            return dsc_err_file(err, j->ranges);
        return DSC_OK;
    }
    DSC_TRY(dsc_choose(&j->p, j->choice, err));
    return dsc_staticrun_observe(&j->p, err);
}

static enum dsc_status write_model(struct job *j, const struct dsc_dataset *rows,
                                   struct dsc_err *err)
{
    uint64_t size_bytes;

    if (!j->q.target.is_weight_only)
        DSC_TRY(dsc_quant_finish(j->m.model.graph, &j->q.target, err));
    if (j->q.target.is_dynamic)
        DSC_TRY(dsc_quant_dynamic(j->m.model.graph, &j->q.target, err));
    DSC_TRY(dsc_textmodel_store(&j->m, err));
    DSC_TRY(dsc_output_write(j->cmd, &j->m, rows, j->dev,
                             &(struct dsc_output){.max_bytes = j->s.target_bytes}, &size_bytes,
                             err));
    dsc_json_int(&j->cmd->json, "size_bytes_before", (int64_t)j->size_before);
    dsc_json_float(&j->cmd->json, "ratio", (double)size_bytes / (double)j->size_before);
    return DSC_OK;
}

/* FakeQuantize by the ranges that are known, and the file of it. */
static enum dsc_status insert_and_write(struct job *j, struct dsc_err *err)
{
    DSC_TRY(dsc_staticrun_insert(&j->p, err));
    DSC_TRY(dsc_staticrun_correct(&j->p, err));
    DSC_TRY(dsc_quantrun_report(&j->q, err));
    return write_model(j, j->calib.n > 0 ? &j->calib : NULL, err);
}

/* Rows of --calib are run for more than the check of the file. */
static bool observes_rows(struct job *j)
{
    return !j->ranges || j->p.rounding != DSC_ROUND_NEAREST ||
           dsc_opt_enum(j->cmd, DSC_OPT_bias_correction) == 1;
}

static enum dsc_status quantize_static(struct job *j, struct dsc_err *err)
{
    DSC_TRY(open_static(j, err));
    DSC_TRY(start(j, observes_rows(j), err));
    if (j->is_dry)
        return dsc_quantrun_report(&j->q, err);
    DSC_TRY(observe_static(j, err));
    return insert_and_write(j, err);
}

/* Static, on the layers of a plan. */
static enum dsc_status quantize_planned(struct job *j, struct dsc_err *err)
{
    DSC_TRY(dsc_sensitivity_open(&j->s, j->size_before, err));
    DSC_TRY(open_static(j, err));
    DSC_TRY(start(j, observes_rows(j), err));
    DSC_TRY(dsc_sensitivity_read_plan(&j->s, &j->calib, err));
    j->p.format_of = dsc_sensitivity_format;
    j->p.format_ctx = &j->s;
    if (!j->is_dry) /* all layers, as they were when the formats were chosen */
        DSC_TRY(observe_static(j, err));
    DSC_TRY(dsc_sensitivity_use_formats(&j->s, err));
    return j->is_dry ? dsc_quantrun_report(&j->q, err) : insert_and_write(j, err);
}

/* Static, on layers that are chosen by what each does; the table alone is a result, too. */
static enum dsc_status quantize_mixed(struct job *j, struct dsc_err *err)
{
    const bool has_output = dsc_opt_text(j->cmd, DSC_OPT_output) != NULL;

    DSC_TRY(dsc_sensitivity_open(&j->s, j->size_before, err));
    for (int f = DSC_LAYER_FLOAT + 1; f < j->s.n_formats; f++)
        j->p.widths[j->p.n_widths++] = dsc_quantrun_format_bits((enum dsc_layer_format)f);
    DSC_TRY(open_static(j, err));
    DSC_TRY(dsc_sensitivity_rows(&j->s, dsc_opt_text(j->cmd, DSC_OPT_calib), &j->calib, err));
    DSC_TRY(start(j, true, err));
    if (!has_output && j->s.is_allocating && !j->s.save_plan)
        return dsc_fail(err, DSC_E_USAGE, "a choice of layers needs --output OUT or --save-plan");
    if (j->is_dry)
        return dsc_quantrun_report(&j->q, err);
    DSC_TRY(observe_static(j, err));
    DSC_TRY(dsc_sensitivity_measure(&j->s, err));
    if (j->s.is_allocating)
        DSC_TRY(dsc_sensitivity_allocate(&j->s, err));
    return has_output ? insert_and_write(j, err) : DSC_OK;
}

/* No data are needed: weights are quantized here, activations where the model runs. */
static enum dsc_status quantize_dynamic(struct job *j, struct dsc_err *err)
{
    DSC_TRY(read_equalize(j, err));
    DSC_TRY(start(j, false, err));
    if (j->is_dry)
        return dsc_quantrun_report(&j->q, err);
    DSC_TRY(equalize(j, err));
    return insert_and_write(j, err);
}

/* Weights in few bits, activations as they are. */
static enum dsc_status quantize_weight_only(struct job *j, struct dsc_err *err)
{
    const char *data = dsc_opt_text(j->cmd, DSC_OPT_calib);

    if (data)
        DSC_TRY(read_calib(j, data, err));
    j->w = (struct dsc_weightrun){.cmd = j->cmd,
                                  .m = &j->m,
                                  .q = &j->q,
                                  .dev = j->dev,
                                  .calib = data ? &j->calib : NULL,
                                  .batch = j->batch};
    DSC_TRY(dsc_weightrun_open(&j->w, err));
    DSC_TRY(read_equalize(j, err));
    DSC_TRY(start(j, data != NULL, err));
    if (j->is_dry)
        return dsc_weightrun_report(&j->w, err);
    DSC_TRY(equalize(j, err));
    DSC_TRY(dsc_weightrun_quantize(&j->w, err));
    return write_model(j, data ? &j->calib : NULL, err);
}

/* Observe with the weights as they are, then learn weights and scales together. */
static enum dsc_status quantize_qat(struct job *j, struct dsc_err *err)
{
    int64_t n;

    if (!dsc_opt_is_set(j->cmd, DSC_OPT_train))
        return dsc_fail(err, DSC_E_USAGE, "quantize --method qat needs --train DATA");
    j->r = (struct dsc_trainrun){.cmd = j->cmd,
                                 .m = &j->m,
                                 .dev = j->dev,
                                 .teacher_may_be_self = true,
                                 .epochs_opt = DSC_OPT_qat_epochs,
                                 .lr_opt = DSC_OPT_qat_lr};
    DSC_TRY(dsc_opt_resolve(j->cmd, DSC_OPT_freeze_observers, QAT_OBSERVED_BATCHES, err));
    n = dsc_opt_int(j->cmd, DSC_OPT_freeze_observers) * j->batch;
    DSC_TRY(dsc_quantrun_learn(&j->q, err));
    DSC_TRY(dsc_trainrun_open(&j->r, err));
    DSC_TRY(read_equalize(j, err));
    DSC_TRY(start(j, true, err));
    if (j->is_dry)
        return dsc_quantrun_report(&j->q, err);
    DSC_TRY(equalize(j, err));
    if (n > (int64_t)j->r.train.n)
        n = (int64_t)j->r.train.n;
    DSC_TRY(dsc_observe_watch(j->q.ranges, j->m.model.graph, &j->q.plan, err));
    DSC_TRY(dsc_observe_run(j->cmd, &j->m, &j->r.train, n, j->batch, j->dev, j->q.ranges, err));
    DSC_TRY(dsc_quantrun_insert(&j->q, err));
    DSC_TRY(dsc_trainrun_prepare(&j->r, err));
    DSC_TRY(dsc_trainrun_loop(&j->r, err));
    DSC_TRY(dsc_trainrun_finish(&j->r, err));
    DSC_TRY(dsc_quantrun_report(&j->q, err));
    return write_model(j, &j->r.train, err);
}

static enum dsc_status check_float(struct job *j, struct dsc_err *err)
{
    if (!dsc_quant_is_quantized(j->m.model.graph))
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE, "the model is quantized already");
    dsc_err_hint(err, "train trains it further; quantize the float model to quantize it otherwise");
    return dsc_err_file(err, j->cmd->args[0]);
}

/* Before anything is computed. A folder is what its config.json builds: layers without scales. */
static enum dsc_status check_output(struct job *j, struct dsc_err *err)
{
    const char *path = dsc_opt_text(j->cmd, DSC_OPT_output);

    if (!path)
        return DSC_OK;
    DSC_TRY(dsc_model_can_write(j->m.model.graph, path, err));
    if (path[strlen(path) - 1] != '/')
        return DSC_OK;
    dsc_fail(err, DSC_E_UNSUPPORTED, "a Hugging Face folder holds no quantized model");
    dsc_err_hint(err, "-o FILE.onnx holds it");
    return dsc_err_file(err, path);
}

static const struct method_row methods[] = {
    [METHOD_STATIC] = {"static",
                       quantize_static,
                       {"w8a8", "w4a8", "w8a16", "w3a8"},
                       .has_ranges = true,
                       .may_choose = true,
                       .rounds_by_rows = true,
                       .narrows_tables = true},
    [METHOD_DYNAMIC] = {"dynamic",
                        quantize_dynamic,
                        {"w8a8"},
                        .disregarded = {DSC_OPT_observer},
                        .n_disregarded = 1},
    [METHOD_WEIGHT_ONLY] = {"weight-only",
                            quantize_weight_only,
                            {"w8", "w4"},
                            .disregarded = {DSC_OPT_observer, DSC_OPT_reduce_range},
                            .n_disregarded = 2},
    [METHOD_QAT] = {"qat",
                    quantize_qat,
                    {"w8a8", "w4a8", "w8a16", "w3a8", "w2a8", "w1a8"},
                    .has_ranges = true,
                    .disregarded = {DSC_OPT_reduce_range}, /* weights learn beyond it */
                    .n_disregarded = 1},
    [METHOD_MIXED] = {"static",
                      quantize_mixed,
                      {"w8a8", "w4a8", "w3a8"},
                      .has_ranges = true,
                      .may_write_nothing = true,
                      .rounds_by_rows = true},
    [METHOD_PLANNED] =
        {"static", quantize_planned, {"w8a8"}, .has_ranges = true, .rounds_by_rows = true},
};

static enum method method_of(struct dsc_cmd *cmd)
{
    static const enum dsc_opt_id mixed[] = {DSC_OPT_sensitivity, DSC_OPT_target_size,
                                            DSC_OPT_max_drop, DSC_OPT_retain};
    const enum method method = (enum method)dsc_opt_enum(cmd, DSC_OPT_method);

    if (method != METHOD_STATIC)
        return method;
    if (dsc_opt_is_set(cmd, DSC_OPT_plan))
        return METHOD_PLANNED;
    for (size_t i = 0; i < sizeof mixed / sizeof mixed[0]; i++)
        if (dsc_opt_is_set(cmd, mixed[i]))
            return METHOD_MIXED;
    return METHOD_STATIC;
}

static bool takes_scheme(const struct method_row *row, const char *scheme)
{
    for (int i = 0; i < SCHEMES_MAX && row->schemes[i]; i++)
        if (strcmp(row->schemes[i], scheme) == 0)
            return true;
    return false;
}

static enum dsc_status check_scheme(struct job *j, struct dsc_err *err)
{
    const char *scheme;

    DSC_TRY(dsc_opt_resolve(j->cmd, DSC_OPT_scheme, j->row->schemes[0], err));
    scheme = dsc_opt_text(j->cmd, DSC_OPT_scheme);
    if (takes_scheme(j->row, scheme))
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE, "--method %s has no --scheme %s", j->row->name, scheme);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (takes_scheme(&methods[i], scheme))
            return dsc_err_hint(err, "--method %s has it", methods[i].name);
    return DSC_E_USAGE;
}

/* Where smoothing is chosen by trying, this is with it. */
static enum dsc_status choose_observer(struct job *j, struct dsc_err *err)
{
    const bool is_smoothed = j->row->run != quantize_qat && !dsc_opt_is_set(j->cmd, DSC_OPT_ranges);
    struct dsc_smooth smooth = {0};

    if (is_smoothed && j->row->may_choose && dsc_opt_flag(j->cmd, DSC_OPT_choose))
        return DSC_OK;
    if (is_smoothed)
        DSC_TRY(dsc_smooth_parse(dsc_choose_untried_smooth(j->cmd), &smooth, err));
    return dsc_opt_resolve(j->cmd, DSC_OPT_observer, dsc_choose_observer(&smooth), err);
}

static enum dsc_status check_ranges(struct job *j, struct dsc_err *err)
{
    int n;
    const char *const *items = dsc_opt_items(j->cmd, DSC_OPT_symmetric, &n);

    if (j->row->has_ranges)
        return choose_observer(j, err);
    for (int i = 0; i < n; i++)
        if (strcmp(items[i], "activations") == 0)
            return dsc_fail(err, DSC_E_USAGE,
                            "--symmetric activations: the file of --method %s holds no zero "
                            "points of activations",
                            j->row->name);
    return DSC_OK;
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;
    const enum method method = method_of(cmd);

    j->row = &methods[method];
    j->batch = dsc_opt_int(cmd, DSC_OPT_batch);
    DSC_TRY(check_scheme(j, err));
    DSC_TRY(check_ranges(j, err));
    if (dsc_opt_text(cmd, DSC_OPT_output))
        DSC_TRY(dsc_output_check(cmd, err));
    else if (!j->row->may_write_nothing)
        return dsc_fail(err, DSC_E_USAGE, "'quantize' needs --output OUT");
    DSC_TRY(dsc_cmd_device(cmd, &j->dev, err));
    DSC_TRY(dsc_textmodel_open(&j->m, cmd, cmd->args[0], err));
    DSC_TRY(check_float(j, err));
    DSC_TRY(check_output(j, err));
    j->size_before = j->m.model.size_bytes;
    j->q = (struct dsc_quantrun){.cmd = cmd, .m = &j->m, .dev = j->dev};
    j->q.target.is_weight_only = method == METHOD_WEIGHT_ONLY;
    j->p = (struct dsc_staticrun){
        .cmd = cmd, .m = &j->m, .q = &j->q, .dev = j->dev, .calib = &j->calib, .batch = j->batch};
    j->p.may_round = method == METHOD_STATIC || method == METHOD_MIXED;
    j->s = (struct dsc_sensitivity){
        .cmd = cmd, .m = &j->m, .q = &j->q, .dev = j->dev, .batch = j->batch};
    DSC_TRY(dsc_quantrun_open(&j->q, err));
    j->q.target.is_dynamic = method == METHOD_DYNAMIC;
    if (j->row->narrows_tables)
        DSC_TRY(dsc_quantrun_tables(&j->q, err));
    DSC_TRY(dsc_quantrun_plan(&j->q, err));
    j->is_dry = dsc_opt_flag(cmd, DSC_OPT_dry_run);
    return j->row->run(j, err);
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job j = {.cmd = cmd};
    const enum dsc_status st = work(&j, err);

    dsc_staticrun_close(&j.p);
    dsc_weightrun_close(&j.w);
    dsc_trainrun_close(&j.r);
    dsc_sensitivity_close(&j.s);
    dsc_quantrun_close(&j.q);
    dsc_dataset_close(&j.calib);
    dsc_textmodel_close(&j.m);
    dsc_device_close(j.dev);
    return st;
}

const struct dsc_command dsc_command_quantize = {
    .name = "quantize",
    .args = "MODEL",
    .summary = "make a model int8, or its weights alone 8- or 4-bit",
    .about =
        "static: ranges of activations are observed on rows of --calib (--calib-rows), after "
        "SmoothQuant has moved the channels' differences into the weights (--smooth; auto takes "
        "for "
        "each activation the alpha by which the layers' outputs lose least); what the rows "
        "lack (few of them, unknown tokens, tensors and channels that never change) is warned of "
        "by "
        "name. Weights are then rounded by GPTQ on what the layers read (--rounding). "
        "--bias-correction on takes from each layer's bias what its codes add to the mean of its "
        "outputs over the rows. "
        "--equalize on scales the channels between two layers so that they have the same range in "
        "both (Nagel et al. 2019), by every method; encoders with GELU have no such pairs. "
        "Where --smooth or --bias-correction is not given and there are 500 rows (--choose on: "
        "20), "
        "0.95, auto and 0, off and on are tried, and --equalize off and on where the model has "
        "pairs of layers for it: made from up to 128 rows, measured on every fifth row, which is "
        "held out. The "
        "one whose outputs are nearest to the float model's is taken; the table shows what each "
        "gave, and the file is made from all rows by the options that were chosen. "
        "dynamic: "
        "ranges are computed when the model runs, no data are needed; the result of a row depends "
        "on the batch that it is in. qat: weights and scales learn on --train data with the "
        "rounding simulated (LSQ); --act-quantizer lsq+ has the zero points of activations learn, "
        "too, "
        "pact learns where they are clipped by what the clip cuts alone. weight-only: weights of 8 "
        "(--scheme w8) or 4 bits (w4), "
        "activations stay float; with --calib they are rounded by GPTQ on what the layers read on "
        "its rows (--calib-rows), without it to the nearest.\n\n"
        "The output is standard QuantizeLinear/DequantizeLinear ONNX with int8 weights, and runs "
        "on integers here and in ONNX Runtime and OpenVINO. Weights are symmetric per output "
        "channel, embeddings per column; LayerNorm and Softmax stay float, and so do "
        "the products of attention unless --include names them. --scheme w4a8 has weights of 4 "
        "bits per "
        "channel (embeddings stay int8 unless --embeddings w4 or w3 narrows them; products run on "
        "integers here), w8a16 activations of 16 bits (products run on integers here, in float in "
        "ONNX Runtime): both need opset 21. w3a8 has 7 levels. qat also has w2a8 (ternary: -1, 0, "
        "1 times the mean magnitude beyond 0.7 of the mean; "
        "--weight-quantizer lsq: 4 levels of a learned step) and w1a8 (signs times the mean "
        "magnitude), 3.2, 1.6 or 2, and 1 bit of the file for a weight, int8 when it runs; "
        "--embeddings says the bits of tables. The fate of "
        "every tensor is in "
        "--json, the worst are printed.\n\n"
        "weight-only writes DequantizeLinear (with block_size from opset 21 where --granularity "
        "is group:N), for --target ort com.microsoft MatMulNBits; embeddings are int8 by row "
        "(--embeddings). w4 has zero points (uint4) unless --symmetric weights asks for int4 in "
        "-7..7; its scales are searched for the least squared error. SQNR is of the layer's "
        "output where there are --calib data, of the weight where there are none.\n\n"
        "--sensitivity quantizes each layer alone and shows its signal to noise ratio, the labels "
        "that flip and the damage (Kullback-Leibler divergence of the class probabilities) on up "
        "to 512 rows that ranges were not observed on: --eval, else the dev part of --split, else "
        "the last fifth of --calib. --target-size, --max-drop and --retain choose from that table "
        "which layers stay float: the least damage within the size, or the smallest model that "
        "keeps the bars on those rows (all of them). With "
        "--scheme w4a8 a layer may have weights of 4 bits, too, with w3a8 of 3; tables as well. "
        "A budget that cannot be met is "
        "exit status 1 "
        "with the nearest that can. --save-plan writes the choice, --plan applies it.",
    .examples =
        "dscompress quantize sms.onnx --calib sms.tsv --split 70/10/20 -o sms-int8.onnx\n"
        "dscompress quantize sms.onnx --method weight-only --scheme w4 --calib sms.tsv -o "
        "w4.onnx\n"
        "dscompress quantize sms.onnx --method dynamic -o sms-dynamic.onnx\n"
        "dscompress quantize mlp.onnx --calib rows.npz -o mlp-int8.onnx\n"
        "dscompress quantize sms.onnx --method qat --train sms.tsv --epochs 1 -o qat.onnx\n"
        "dscompress quantize sms.onnx --method qat --scheme w2a8 --embeddings w2 --teacher self "
        "--train sms.tsv --epochs 3 -o ternary.onnx\n"
        "dscompress quantize sms.onnx --calib sms.tsv --sensitivity=layers.json\n"
        "dscompress quantize sms.onnx --calib sms.tsv --max-drop accuracy=0.01 "
        "--save-plan plan.json -o mixed.onnx\n"
        "dscompress quantize sms.onnx --calib sms.tsv --plan plan.json -o again.onnx",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
