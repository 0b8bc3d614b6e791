/* prune: zeros in the weights of a trained model, or less of them. */
#include "benchrun.h"
#include "dsc/gate.h"
#include "dsc/quant.h"
#include "models.h"
#include "output.h"
#include "prunerun.h"

#include <string.h>

enum { SPEED_TOKENS = 128 };

struct job;

/* Patterns that change sizes; the others are of zeros. */
struct size_row {
    const char *name;
    enum dsc_status (*run)(struct job *j, struct dsc_err *err);
    bool has_scope;  /* units are compared */
    bool is_by_data; /* no --sparsity says how much */
    bool has_rank;   /* --rank may say how much, and rows of data what matters */
};

struct job {
    struct dsc_cmd *cmd;
    struct dsc_prunerun r;
    struct dsc_trainrun t; /* with --train */
    bool has_train, is_gradual, is_taylor;
    struct dsc_dataset data; /* of vocab and lowrank */
    struct dsc_device *dev;
    const struct size_row *sizes; /* NULL: zeros */
    struct dsc_mask_pattern zeros;
    struct dsc_output how;
    double min_speedup; /* 0: any */
    struct dsc_bench_side side[2];
};

static enum dsc_status prune_ffn(struct job *j, struct dsc_err *err)
{
    return dsc_prune_to_units(&j->r, DSC_AXIS_FFN, err);
}

static enum dsc_status prune_heads(struct job *j, struct dsc_err *err)
{
    return dsc_prune_to_units(&j->r, DSC_AXIS_HEADS, err);
}

static enum dsc_status prune_hidden(struct job *j, struct dsc_err *err)
{
    return dsc_prune_to_units(&j->r, DSC_AXIS_HIDDEN, err);
}

static enum dsc_status prune_gates(struct job *j, struct dsc_err *err)
{
    return dsc_prune_to_units(&j->r, DSC_AXIS_GATES, err);
}

static enum dsc_status prune_channels(struct job *j, struct dsc_err *err)
{
    return dsc_prune_to_units(&j->r, DSC_AXIS_CHANNELS, err);
}

static enum dsc_status prune_layers(struct job *j, struct dsc_err *err)
{
    return dsc_prune_to_layers(&j->r, err);
}

static enum dsc_status prune_vocab(struct job *j, struct dsc_err *err)
{
    return dsc_prune_to_vocab(&j->r, &j->data, err);
}

static enum dsc_status prune_lowrank(struct job *j, struct dsc_err *err)
{
    const struct dsc_dataset *rows = j->data.n > 0 ? &j->data : j->has_train ? &j->t.train : NULL;

    return dsc_prune_to_lowrank(&j->r, rows, j->dev, err);
}

static const struct size_row size_rows[] = {
    {.name = "ffn", .run = prune_ffn, .has_scope = true},
    {.name = "heads", .run = prune_heads, .has_scope = true},
    {.name = "hidden", .run = prune_hidden, .has_scope = true},
    {.name = "gates", .run = prune_gates, .has_scope = true},
    {.name = "channels", .run = prune_channels, .has_scope = true},
    {.name = "layers", .run = prune_layers},
    {.name = "vocab", .run = prune_vocab, .is_by_data = true},
    {.name = "lowrank", .run = prune_lowrank, .has_rank = true},
};

/* ---- options ---- */

/* Fewer rows of a table change no speed. */
static enum dsc_status read_bars(struct job *j, struct dsc_err *err)
{
    const bool is_vocab = j->sizes && j->sizes->is_by_data;
    const char *size = dsc_opt_text(j->cmd, DSC_OPT_require_size);
    const char *speed = is_vocab ? NULL : dsc_opt_text(j->cmd, DSC_OPT_require_speedup);
    struct dsc_check check;

    if (size)
        DSC_TRY(dsc_output_size("--require-size", size, j->r.m.model.size_bytes, &j->how.max_bytes,
                                err));
    if (!speed)
        return DSC_OK;
    if (dsc_check_parse(DSC_CHECK_MIN_SPEEDUP, speed, &check, NULL) != DSC_OK)
        return dsc_fail(err, DSC_E_USAGE, "--require-speedup '%s' is no number like 1.5", speed);
    j->min_speedup = check.bar;
    return DSC_OK;
}

static enum dsc_status read_importance(struct job *j, struct dsc_err *err)
{
    const char *name = dsc_opt_text(j->cmd, DSC_OPT_importance);

    j->is_taylor = strcmp(name, "taylor") == 0;
    j->r.is_movement = strcmp(name, "movement") == 0;
    if (j->is_taylor && !j->sizes)
        return dsc_fail(
            err, DSC_E_USAGE,
            "--importance taylor is of --pattern ffn, heads, hidden, gates and channels");
    if (j->r.is_movement && j->sizes)
        return dsc_fail(err, DSC_E_USAGE,
                        "--importance movement is of --pattern unstructured, N:M and block:RxC");
    if ((j->is_taylor || j->r.is_movement) && !dsc_opt_is_set(j->cmd, DSC_OPT_train))
        return dsc_fail(err, DSC_E_USAGE, "--importance %s needs --train DATA: gradients", name);
    return DSC_OK;
}

/* A folder's weights are safetensors, which are dense. */
static enum dsc_status read_sparse(struct job *j, struct dsc_err *err)
{
    const char *path = dsc_opt_text(j->cmd, DSC_OPT_output);

    if (j->sizes)
        return DSC_OK;
    if (j->zeros.kind == DSC_MASK_GROUPS && !j->r.is_movement)
        j->r.permutes = dsc_opt_flag(j->cmd, DSC_OPT_permute);
    j->how.is_sparse = j->r.is_sparse = dsc_opt_flag(j->cmd, DSC_OPT_sparse_initializers);
    if (!j->how.is_sparse || path[strlen(path) - 1] != '/')
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE, "--sparse-initializers is of an .onnx file");
    return dsc_err_file(err, path);
}

/* A pattern of groups says itself how many zeros there are. */
static enum dsc_status read_sparsity(struct job *j, struct dsc_err *err)
{
    if (j->sizes && j->sizes->is_by_data)
        return DSC_OK;
    if (!j->sizes || j->sizes->has_scope)
        DSC_TRY(read_importance(j, err));
    if (!j->sizes && j->zeros.kind == DSC_MASK_GROUPS)
        return DSC_OK;
    if (j->sizes && j->sizes->has_rank && dsc_opt_is_set(j->cmd, DSC_OPT_rank)) {
        j->r.rank = dsc_opt_int(j->cmd, DSC_OPT_rank);
        return DSC_OK;
    }
    if (!dsc_opt_is_set(j->cmd, DSC_OPT_sparsity))
        return dsc_fail(err, DSC_E_USAGE, "--pattern %s needs --sparsity S%s", j->r.pattern,
                        j->sizes && j->sizes->has_rank ? " or --rank N" : "");
    j->r.sparsity = dsc_opt_float(j->cmd, DSC_OPT_sparsity);
    if (!(j->r.sparsity > 0 && j->r.sparsity < 1))
        return dsc_fail(err, DSC_E_USAGE,
                        "--sparsity %g: it is a part of the weights, more than 0 and less than 1",
                        j->r.sparsity);
    if (!j->sizes || j->sizes->has_scope)
        j->r.is_global = dsc_opt_enum(j->cmd, DSC_OPT_scope) == 1;
    return DSC_OK;
}

static enum dsc_status open_patterns(struct job *j, struct dsc_err *err)
{
    int n;
    const char *const *items;

    if (j->sizes && j->sizes->is_by_data)
        return DSC_OK;
    items = dsc_opt_items(j->cmd, DSC_OPT_prune_include, &n);
    DSC_TRY(dsc_patterns_open(&j->r.include, "--include", items, n, j->cmd->arena, err));
    items = dsc_opt_items(j->cmd, DSC_OPT_prune_exclude, &n);
    return dsc_patterns_open(&j->r.exclude, "--exclude", items, n, j->cmd->arena, err);
}

static enum dsc_status check_float(struct job *j, struct dsc_err *err)
{
    if (!dsc_quant_is_quantized(j->r.m.model.graph))
        return DSC_OK;
    dsc_fail(err, DSC_E_UNSUPPORTED, "the model is quantized: its weights are codes");
    dsc_err_hint(err, "prune the float model, then quantize: what is 0 stays 0");
    return dsc_err_file(err, j->cmd->args[0]);
}

/* ---- --require-speedup ---- */

static enum dsc_status time_both(struct job *j, struct dsc_err *err)
{
    struct dsc_bench_stats s[2];
    double speedup;

    for (int k = 0; k < 2; k++) {
        j->side[k].path = j->cmd->args[0];
        j->side[k].graph = k == 1 ? j->r.m.model.graph : NULL;
        DSC_TRY(dsc_bench_open(j->cmd, &j->side[k], j->dev, err));
        DSC_TRY(dsc_session_open(&j->side[k].s, j->side[k].m.model.graph, j->dev, err));
        DSC_TRY(dsc_bench_feed(&j->side[k], 1,
                               j->r.m.max_length < SPEED_TOKENS ? j->r.m.max_length : SPEED_TOKENS,
                               0, err));
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

/* ---- --train ---- */

/* The word `cubic` and that of other toolkits for it. */
enum { SCHEDULE_ONESHOT };

static enum dsc_status read_schedule(struct job *j, struct dsc_err *err)
{
    const bool can_grow = !j->sizes && j->zeros.kind != DSC_MASK_GROUPS;

    if (!can_grow) {
        j->is_gradual = j->r.is_movement;
        return DSC_OK;
    }
    DSC_TRY(dsc_opt_resolve(j->cmd, DSC_OPT_prune_schedule, j->r.is_movement ? "cubic" : "oneshot",
                            err));
    j->is_gradual = dsc_opt_enum(j->cmd, DSC_OPT_prune_schedule) != SCHEDULE_ONESHOT;
    if (j->r.is_movement && !j->is_gradual)
        return dsc_fail(err, DSC_E_USAGE,
                        "--importance movement sums up while training: --schedule cubic or agp");
    return DSC_OK;
}

/* A smaller tokenizer would be another than the teacher's and the rows': that is train's work. */
static enum dsc_status open_train(struct job *j, struct dsc_err *err)
{
    const bool can_train = !j->sizes || !j->sizes->is_by_data;

    if (!can_train || !dsc_opt_is_set(j->cmd, DSC_OPT_train))
        return DSC_OK;
    j->has_train = true;
    DSC_TRY(read_schedule(j, err));
    j->t = (struct dsc_trainrun){.cmd = j->cmd,
                                 .m = &j->r.m,
                                 .dev = j->dev,
                                 .teacher_may_be_self = true,
                                 .epochs_opt = DSC_OPT_prune_epochs,
                                 .lr_opt = DSC_OPT_prune_lr};
    DSC_TRY(dsc_trainrun_open(&j->t, err));
    if (j->t.has_dev) /* that is what is scored */
        (void)dsc_opt_is_set(j->cmd, DSC_OPT_metric);
    return DSC_OK;
}

static enum dsc_status train(struct job *j, struct dsc_err *err)
{
    DSC_TRY(dsc_trainrun_prepare(&j->t, err));
    DSC_TRY(dsc_trainrun_loop(&j->t, err));
    return dsc_trainrun_finish(&j->t, err);
}

/* ---- the run ---- */

static enum dsc_status read_pattern(struct job *j, struct dsc_err *err)
{
    j->r.pattern = dsc_opt_text(j->cmd, DSC_OPT_pattern);
    for (size_t i = 0; i < sizeof size_rows / sizeof size_rows[0]; i++)
        if (strcmp(j->r.pattern, size_rows[i].name) == 0)
            j->sizes = &size_rows[i];
    return j->sizes ? DSC_OK : dsc_mask_pattern_parse(j->r.pattern, &j->zeros, err);
}

static enum dsc_status prune(struct job *j, bool is_dry, struct dsc_err *err)
{
    const struct dsc_dataset *rows = j->has_train ? &j->t.train : j->data.n > 0 ? &j->data : NULL;

    DSC_TRY(dsc_graph_param_census(j->r.m.model.graph, &j->r.before, err));
    if (j->is_gradual && !is_dry) {
        DSC_TRY(dsc_trainrun_prepare(&j->t, err));
        DSC_TRY(dsc_prune_gradually(&j->r, &j->zeros, &j->t, err));
    } else if (j->sizes) {
        if (j->is_taylor) {
            j->t.is_looking = true;
            DSC_TRY(dsc_trainrun_prepare(&j->t, err));
            j->r.taylor = &j->t;
        }
        DSC_TRY(j->sizes->run(j, err));
    } else {
        DSC_TRY(dsc_prune_to_zeros(&j->r, &j->zeros, err));
    }
    if (is_dry)
        return DSC_OK;
    if (j->has_train && !j->is_gradual)
        DSC_TRY(train(j, err));
    DSC_TRY(dsc_textmodel_store(&j->r.m, err));
    if (j->min_speedup > 0)
        DSC_TRY(time_both(j, err));
    return dsc_output_write(j->cmd, &j->r.m, rows, j->dev, &j->how, NULL, err);
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;
    bool is_dry;

    DSC_TRY(read_pattern(j, err));
    DSC_TRY(read_sparsity(j, err));
    DSC_TRY(dsc_output_check(cmd, err));
    DSC_TRY(dsc_cmd_device(cmd, &j->dev, err));
    DSC_TRY(dsc_textmodel_open(&j->r.m, cmd, cmd->args[0], err));
    DSC_TRY(check_float(j, err));
    DSC_TRY(dsc_model_can_write(j->r.m.model.graph, dsc_opt_text(cmd, DSC_OPT_output), err));
    if (j->sizes)
        DSC_TRY(dsc_prunerun_check_folder(&j->r, err));
    if (j->sizes && j->sizes->is_by_data)
        DSC_TRY(dsc_prune_open_vocab(&j->r, &j->data, err));
    if (j->sizes && j->sizes->has_rank)
        DSC_TRY(dsc_prune_open_lowrank(&j->r, &j->data, err));
    DSC_TRY(open_train(j, err));
    DSC_TRY(read_bars(j, err));
    DSC_TRY(read_sparse(j, err));
    DSC_TRY(open_patterns(j, err));
    is_dry = dsc_opt_flag(cmd, DSC_OPT_dry_run);
    DSC_TRY(dsc_cmd_check_used(cmd, err));
    if (dsc_output_check_nan(j->r.m.model.graph, err) != DSC_OK)
        return dsc_err_file(err, cmd->args[0]);
    return prune(j, is_dry, err);
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job *j;
    enum dsc_status st;

    DSC_NEW(j, cmd->arena, 1, err);
    j->cmd = j->r.cmd = cmd;
    st = work(j, err);
    for (int k = 0; k < 2; k++)
        dsc_bench_close(&j->side[k]);
    dsc_patterns_close(&j->r.include);
    dsc_patterns_close(&j->r.exclude);
    dsc_trainrun_close(&j->t);
    dsc_dataset_close(&j->data);
    dsc_textmodel_close(&j->r.m);
    dsc_device_close(j->dev);
    return st;
}

const struct dsc_command dsc_command_prune = {
    .name = "prune",
    .args = "MODEL",
    .summary = "set weights to 0, or remove neurons, heads, width, layers, tokens, ranks",
    .about =
        "Prunes by magnitude: at once, or with --train while the model learns to do without. "
        "--schedule oneshot prunes, then trains with what is left; cubic (unstructured, blocks) "
        "lets the zeros grow over the first 70 % of the steps, S - S (1 - t)^3 (Zhu and Gupta "
        "2017: automated gradual pruning; agp is the same by its other name). "
        "--importance movement (unstructured, N:M, blocks) keeps the weights that training moves "
        "away from 0, by the sum of -w dL/dw over the same steps; what was hidden can come back "
        "until they end (Sanh et al. 2020). "
        "--importance taylor (ffn, heads, hidden, gates, channels) ranks units by the loss's "
        "derivative by a factor on them, on 16 batches of --train, before training. "
        "--teacher self learns from the model as it was. Options of training mean what they mean "
        "for train.\n\n"
        "Patterns of zeros. unstructured: any element, --sparsity of each tensor or of all "
        "together (--scope global). N:M (2:4, 4:8): of every M that stand together along the axis "
        "that a product sums over, N stay, as sparse tensor cores have it; --permute first "
        "swaps input channels of feed-forward layers and of the residual stream, with all that "
        "makes and reads them, so that more magnitude stays (Pool and Yu 2021). block:RxC: blocks "
        "of R "
        "outputs by C along that axis, by their Frobenius norm. Zeros that are there count. Pruned "
        "are float constants that Gemm, MatMul, Conv, LSTM, GRU and RNN read, through Transpose "
        "too. "
        "Looked-up tables, "
        "biases and gains are left unless --include names them; a tensor that is read in two roles "
        "is always left. The reason for every tensor is in --json. Such zeros make a model no "
        "faster, unless its runtime has kernels for them, and a file no smaller, unless "
        "--sparse-initializers writes f32 tensors of which more than two thirds are 0 (f16: four "
        "fifths) by their other elements. ONNX Runtime reads such a file, and has the tensors "
        "dense in memory; other runtimes may refuse it.\n\n"
        "Patterns of units, which are really gone: ffn removes neurons between two products, heads "
        "removes heads of attention, hidden narrows the residual stream that runs through all "
        "layers, with its norms, gates removes hidden units of LSTM, GRU and RNN layers, channels "
        "removes channels between convolutions, with the norms and pools there (of a convolution "
        "in "
        "groups one place of every group, of a depthwise one groups). Which "
        "axes of which weights shrink together follows from the "
        "graph, not from names; a unit is worth the Euclidean norm of all weights that go with it "
        "(with --scope global over the mean of its group). What the rules cannot carry is left, "
        "and --json says why. The result is that of the same model with zeros where products "
        "sum over these units; after hidden, norms run over what is left.\n\n"
        "layers removes whole layers of attention and what follows it, from the top (--include and "
        "--exclude choose by names of nodes): what read a layer's output reads its input.\n\n"
        "lowrank writes a product's weights W as two factors U V, with --rank N components each or "
        "at most 1 - S of the weights, where that is smaller; a looked-up table too when --include "
        "names it. With rows of --data, or of --train, the error of the layer's outputs on them is "
        "the least, X W - X U V (SVD-LLM, Wang et al. 2024), without rows that of the weights. "
        "What of the outputs is kept is shown by layer.\n\n"
        "vocab removes the tokens that no row of --data uses, or with --keep-tokens N all but the "
        "N most used ones, from the embedding and from the tokenizer. Special and added tokens "
        "stay, and so do single characters: a word whose piece "
        "is gone falls apart into shorter ones. Rows of the data keep their tokens unless "
        "--keep-tokens takes some; how many rows do not is said.\n\n"
        "--require-size and --require-speedup are conditions: when one is missed, the exit status "
        "is 1 and nothing is written. Speed is the median latency of one row of up to 128 tokens, "
        "measured here in turns with the source.\n\n"
        "The file's metadata name the pruned tensors (dscompress.sparsity); their zeros are the "
        "mask "
        "that train, distill and quantize keep.",
    .examples = "dscompress prune sms.onnx --pattern unstructured --sparsity 0.5 -o pruned.onnx\n"
                "dscompress prune sms.onnx --pattern unstructured --sparsity 0.8 --schedule cubic "
                "--train sms.tsv --epochs 1 --teacher self -o gradual.onnx\n"
                "dscompress prune sms.onnx --pattern unstructured --sparsity 0.8 --importance "
                "movement --train sms.tsv --epochs 1 -o moved.onnx\n"
                "dscompress prune sms.onnx --pattern unstructured --sparsity 0.9 "
                "--sparse-initializers -o few-bytes.onnx\n"
                "dscompress prune sms.onnx --pattern 2:4 --exclude classifier -o sparse.onnx\n"
                "dscompress prune sms.onnx --pattern 2:4 --permute -o permuted.onnx\n"
                "dscompress prune sms.onnx --pattern block:8x1 --sparsity 0.4 --scope local --json "
                "-o blocks.onnx\n"
                "dscompress prune sms.onnx --pattern vocab --data sms.tsv -o words.onnx\n"
                "dscompress prune sms.onnx --pattern vocab --data sms.tsv --keep-tokens 80 -o "
                "fewer-words.onnx\n"
                "dscompress prune sms.onnx --pattern lowrank --sparsity 0.4 --data sms.tsv -o "
                "factors.onnx\n"
                "dscompress prune sms.onnx --pattern ffn --sparsity 0.5 -o narrow.onnx\n"
                "dscompress prune fraud.onnx --pattern gates --sparsity 0.5 -o units.onnx\n"
                "dscompress prune cnn.onnx --pattern channels --sparsity 0.5 -o thin.onnx\n"
                "dscompress prune narrow.onnx --pattern heads --sparsity 0.25 --require-size 99% "
                "-o fewer.onnx",
    .needs = "pattern,output",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
