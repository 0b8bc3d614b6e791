/* bench: latency, throughput and memory of a model, or of two in turns. */
#include "benchrun.h"
#include "models.h"
#include "profile.h"
#include "table.h"

#include <inttypes.h>
#include <unistd.h>

struct job {
    struct dsc_cmd *cmd;
    struct dsc_bench_side side[2]; /* the model, and --vs */
    int n_sides;
    struct dsc_device *dev;
    struct dsc_table table;
    int64_t length;
    uint64_t seed;
    bool is_profiled, may_replace;
    const char *trace;
};

static void put_stats(struct dsc_json *json, const struct dsc_bench_stats *s, int64_t batch)
{
    dsc_json_object(json, "latency_ms");
    dsc_json_float(json, "p50", s->p50);
    dsc_json_float(json, "p90", s->p90);
    dsc_json_float(json, "p99", s->p99);
    dsc_json_float(json, "mean", s->mean);
    dsc_json_float(json, "stdev", s->stdev);
    dsc_json_end(json);
    dsc_json_float(json, "examples_per_s", 1e3 * (double)batch / s->p50);
}

static void report_cell(struct job *j, int64_t batch, int n_threads, int64_t peak_bytes)
{
    struct dsc_json *json = &j->cmd->json;
    struct dsc_bench_stats s[2];

    for (int k = 0; k < j->n_sides; k++)
        dsc_bench_stats(&j->side[k], &s[k]);
    dsc_table_cell(&j->table, "%" PRId64, batch);
    dsc_table_cell(&j->table, "%d", n_threads);
    dsc_table_cell(&j->table, "%.2f", s[0].p50);
    dsc_table_cell(&j->table, "%.2f", s[0].p90);
    dsc_table_cell(&j->table, "%.2f", s[0].p99);
    dsc_table_cell(&j->table, "%.1f", 1e3 * (double)batch / s[0].p50);
    dsc_table_cell(&j->table, "%.1f", (double)peak_bytes / 1e6);
    dsc_json_object(json, NULL);
    dsc_json_int(json, "batch", batch);
    dsc_json_int(json, "threads", n_threads);
    if (j->length > 0)
        dsc_json_int(json, "length", j->length);
    dsc_json_int(json, "runs", j->side[0].n_ms);
    put_stats(json, &s[0], batch);
    dsc_json_int(json, "peak_rss_bytes", peak_bytes);
    if (j->n_sides == 2) {
        dsc_table_cell(&j->table, "%.2f", s[1].p50);
        dsc_table_cell(&j->table, "%.2f", s[1].p50 / s[0].p50);
        dsc_json_object(json, "vs");
        put_stats(json, &s[1], batch);
        dsc_json_end(json);
        dsc_json_float(json, "speedup", s[1].p50 / s[0].p50);
    }
    dsc_json_end(json);
}

static enum dsc_status bench_cell(struct job *j, int64_t batch, int n_threads, struct dsc_err *err)
{
    int64_t peak_bytes;

    for (int k = 0; k < j->n_sides; k++)
        DSC_TRY(dsc_bench_feed(&j->side[k], batch, j->length, j->seed, err));
    if (!dsc_bench_reset_peak())
        dsc_log_printf(&j->cmd->log, DSC_LOG_WARNING,
                       "peak memory is that since the start: the system cannot reset it");
    DSC_TRY(dsc_bench_time(j->cmd, j->side, j->n_sides, err));
    peak_bytes = dsc_bench_peak_bytes();
    report_cell(j, batch, n_threads, peak_bytes);
    return DSC_OK;
}

static void end_sessions(struct job *j)
{
    for (int k = 0; k < j->n_sides; k++) {
        dsc_session_close(j->side[k].s);
        j->side[k].s = NULL;
    }
    dsc_device_close(j->dev);
    j->dev = NULL;
}

static enum dsc_status begin_sessions(struct job *j, int n_threads, struct dsc_err *err)
{
    end_sessions(j);
    DSC_TRY(dsc_cmd_device_of(j->cmd, n_threads, &j->dev, err));
    for (int k = 0; k < j->n_sides; k++)
        DSC_TRY(dsc_session_open(&j->side[k].s, j->side[k].m.model.graph, j->dev, err));
    return DSC_OK;
}

static enum dsc_status bench_all(struct job *j, struct dsc_err *err)
{
    int n_batches, n_counts;
    const char *const *batches = dsc_opt_items(j->cmd, DSC_OPT_batch_list, &n_batches);
    const char *const *counts = dsc_opt_items(j->cmd, DSC_OPT_thread_list, &n_counts);

    dsc_table_init(&j->table, j->cmd->arena,
                   j->n_sides == 2
                       ? ">batch,>threads,>p50 ms,>p90 ms,>p99 ms,>examples/s,>peak MB,"
                         ">other p50 ms,>times as fast"
                       : ">batch,>threads,>p50 ms,>p90 ms,>p99 ms,>examples/s,>peak MB");
    dsc_json_array(&j->cmd->json, "rows");
    for (int t = 0; t < n_counts; t++) {
        const int n_threads = (int)dsc_opt_item_int(counts[t]);

        DSC_TRY(begin_sessions(j, n_threads, err));
        for (int b = 0; b < n_batches; b++)
            DSC_TRY(bench_cell(j, dsc_opt_item_int(batches[b]), n_threads, err));
    }
    dsc_json_end(&j->cmd->json);
    return dsc_table_print(&j->table, j->cmd->out, err);
}

/* Tokens in an example of a text model; 0 of others. */
static int64_t length_of(const struct job *j)
{
    for (int k = 0; k < j->n_sides; k++)
        if (j->side[k].m.tok)
            return dsc_opt_int(j->cmd, DSC_OPT_length);
    return 0;
}

/* Valid inputs only: a length that the model cannot take is refused before the run. */
static enum dsc_status open_sides(struct job *j, struct dsc_err *err)
{
    for (int k = 0; k < j->n_sides; k++)
        DSC_TRY(dsc_bench_open(j->cmd, &j->side[k], j->dev, err));
    j->length = length_of(j);
    for (int k = 0; k < j->n_sides; k++) {
        const struct dsc_bench_side *side = &j->side[k];

        if (side->m.tok && j->length > side->m.max_length) {
            if (dsc_opt_is_set(j->cmd, DSC_OPT_length)) {
                dsc_fail(err, DSC_E_USAGE, "the model takes %d tokens, --length asks for %" PRId64,
                         side->m.max_length, j->length);
                return dsc_err_file(err, side->path);
            }
            j->length = side->m.max_length;
        }
    }
    return DSC_OK;
}

static enum dsc_status work(struct job *j, struct dsc_err *err)
{
    struct dsc_cmd *cmd = j->cmd;
    const char *other = dsc_opt_text(cmd, DSC_OPT_vs);
    int n;

    j->seed = (uint64_t)dsc_opt_int(cmd, DSC_OPT_seed);
    j->is_profiled = dsc_opt_flag(cmd, DSC_OPT_profile);
    j->trace = dsc_opt_text(cmd, DSC_OPT_trace);
    if (j->trace)
        j->may_replace = dsc_opt_flag(cmd, DSC_OPT_force);
    (void)dsc_opt_items(cmd, DSC_OPT_batch_list, &n);
    (void)dsc_opt_items(cmd, DSC_OPT_thread_list, &n);
    j->side[0].path = cmd->args[0];
    j->side[1].path = other;
    j->n_sides = other ? 2 : 1;
    DSC_TRY(
        dsc_cmd_device_of(cmd, 1, &j->dev, err)); /* reads its options; a wrong one fails here */
    DSC_TRY(open_sides(j, err));
    DSC_TRY(dsc_cmd_check_used(cmd, err));
    DSC_TRY(bench_all(j, err));
    if (j->length > 0)
        fprintf(cmd->out, "%" PRId64 " tokens an example, ", j->length);
    fprintf(cmd->out, "%d integer products\n", j->side[0].m.n_int);
    dsc_json_int(&cmd->json, "int_products", j->side[0].m.n_int);
    if (!j->is_profiled && !j->trace)
        return DSC_OK;
    return dsc_profile(cmd, &j->side[0], j->is_profiled, j->trace, j->may_replace, err);
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct job *j;
    enum dsc_status st;

    DSC_NEW(j, cmd->arena, 1, err);
    j->cmd = cmd;
    st = work(j, err);
    end_sessions(j);
    for (int k = 0; k < j->n_sides; k++)
        dsc_bench_close(&j->side[k]);
    return st;
}

const struct dsc_command dsc_command_bench = {
    .name = "bench",
    .args = "MODEL",
    .summary = "latency, throughput and memory",
    .about =
        "Times the model for every batch size and number of threads: after a warm-up, runs of at "
        "least 1.5 seconds. Latency is that of a whole batch; throughput follows from its median. "
        "Inputs are token ids drawn from the vocabulary, without padding; of a model that reads no "
        "text, floats of variance 1 and integers 0; axes that it leaves open are "
        "8, or as --shapes says. A quantized model runs on integers.\n"
        "--vs times another model in turns with the first, so that both see the same load of the "
        "machine; peak memory is then that of the two together.\n"
        "--profile and --trace look at the last batch size and number of threads.",
    .examples = "dscompress bench model.onnx --batch 1,8 --threads 1,2 --length 64\n"
                "dscompress bench model-int8.onnx --vs model.onnx --json\n"
                "dscompress bench model.onnx --profile --trace run.json",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
