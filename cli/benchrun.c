/* Timing models. */
#include "benchrun.h"

#include "dsc/rng.h"
#include "progress.h"
#include "shapes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BENCH_MIN_RUNS = 5, BENCH_WARM_RUNS = 2 };

static const double bench_warm_s = 0.2;
static const double bench_side_s = 1.5; /* timed runs of one model in one cell */

enum dsc_status dsc_bench_open(struct dsc_cmd *cmd, struct dsc_bench_side *side,
                               const struct dsc_device *dev, struct dsc_err *err)
{
    const struct dsc_graph *g;
    struct dsc_type *types = NULL;

    DSC_TRY(dsc_textmodel_open(&side->m, cmd, side->path, err));
    if (side->graph) {
        dsc_graph_free(side->m.model.graph);
        side->m.model.graph = dsc_graph_copy(side->graph, err);
        if (!side->m.model.graph)
            return DSC_E_MEMORY;
    }
    if (!side->m.tok)
        DSC_TRY(dsc_cmd_input_types(cmd, side->m.model.graph, &types, err));
    side->types = types;
    DSC_TRY(dsc_textmodel_to_inference(&side->m, dev, err));
    g = side->m.model.graph;
    DSC_NEW(side->feeds, cmd->arena, g->n_inputs, err);
    DSC_NEW(side->out, cmd->arena, g->n_outputs, err);
    return DSC_OK;
}

static void clear_feeds(struct dsc_bench_side *side)
{
    for (int i = 0; side->feeds && i < side->m.model.graph->n_inputs; i++)
        dsc_tensor_clear(&side->feeds[i]);
}

void dsc_bench_close(struct dsc_bench_side *side)
{
    dsc_session_close(side->s);
    side->s = NULL;
    clear_feeds(side);
    dsc_textmodel_close(&side->m);
}

static enum dsc_status feed_tokens(struct dsc_bench_side *side, int64_t batch, int64_t length,
                                   uint64_t seed, struct dsc_err *err)
{
    const struct dsc_graph *g = side->m.model.graph;
    const int32_t n_ids = dsc_tok_info(side->m.tok).n_ids;
    struct dsc_rng rng;

    if (n_ids < 1)
        return dsc_fail(err, DSC_E_EMPTY, "the tokenizer has no tokens to draw from");
    dsc_rng_init(&rng, dsc_rng_mix_text(dsc_rng_key(seed), "bench"));
    for (int r = 0; r < DSC_N_ROLES; r++) {
        const int at = side->m.input[r];

        if (at < 0)
            continue;
        DSC_TRY(dsc_tensor_new(&side->feeds[at], g->values[g->inputs[at]].type.dtype, 2,
                               (int64_t[]){batch, length}, err));
        for (int64_t i = 0; r != DSC_ROLE_TYPES && i < batch * length; i++)
            dsc_tensor_set_i64(&side->feeds[at], i,
                               r == DSC_ROLE_MASK ? 1
                                                  : (int64_t)dsc_rng_below(&rng, (uint64_t)n_ids));
    }
    return DSC_OK;
}

static enum dsc_status feed_arrays(struct dsc_bench_side *side, int64_t batch, uint64_t seed,
                                   struct dsc_err *err)
{
    struct dsc_arena arena;
    struct dsc_dataset d = {0};
    int64_t *idx;
    enum dsc_status st;

    dsc_arena_init(&arena);
    idx = dsc_arena_alloc(&arena, (size_t)batch, sizeof *idx, err);
    for (int64_t i = 0; idx && i < batch; i++)
        idx[i] = i;
    st = idx ? dsc_textmodel_draw(&side->m, side->types, batch, seed, &arena, &d, err)
             : DSC_E_MEMORY;
    if (st == DSC_OK)
        st = dsc_textmodel_fill(&side->m, &d, idx, batch, side->feeds, err);
    dsc_dataset_close(&d);
    dsc_arena_clear(&arena);
    return st;
}

enum dsc_status dsc_bench_feed(struct dsc_bench_side *side, int64_t batch, int64_t length,
                               uint64_t seed, struct dsc_err *err)
{
    clear_feeds(side);
    if (dsc_textmodel_batch(&side->m, batch) != batch) {
        dsc_fail(err, DSC_E_USAGE, "the model takes one row at a time: --batch 1");
        return dsc_err_file(err, side->path);
    }
    return side->m.tok ? feed_tokens(side, batch, length, seed, err)
                       : feed_arrays(side, batch, seed, err);
}

enum dsc_status dsc_bench_run(struct dsc_bench_side *side, const struct dsc_run *run,
                              double *seconds, struct dsc_err *err)
{
    const double begin = dsc_now_s();
    const enum dsc_status st = dsc_session_run(side->s, run, side->feeds, side->out, err);

    *seconds = dsc_now_s() - begin;
    for (int i = 0; i < side->m.model.graph->n_outputs; i++)
        dsc_tensor_clear(&side->out[i]);
    return st == DSC_OK ? st : dsc_err_file(err, side->path);
}

static enum dsc_status warm_up(struct dsc_bench_side *side, struct dsc_err *err)
{
    const struct dsc_run run = {0};
    double spent = 0, one;

    for (int i = 0; i < BENCH_WARM_RUNS || spent < bench_warm_s; i++) {
        DSC_TRY(dsc_bench_run(side, &run, &one, err));
        spent += one;
    }
    return DSC_OK;
}

enum dsc_status dsc_bench_time(struct dsc_cmd *cmd, struct dsc_bench_side *sides, int n_sides,
                               struct dsc_err *err)
{
    const struct dsc_run run = {0};
    double spent = 0, one;

    for (int k = 0; k < n_sides; k++) {
        sides[k].n_ms = 0;
        DSC_TRY(warm_up(&sides[k], err));
    }
    for (int i = 0;
         i < DSC_BENCH_MAX_RUNS && (i < BENCH_MIN_RUNS || spent < bench_side_s * n_sides); i++) {
        DSC_TRY(dsc_cmd_stopped(cmd, err));
        for (int k = 0; k < n_sides; k++) {
            DSC_TRY(dsc_bench_run(&sides[k], &run, &one, err));
            sides[k].ms[sides[k].n_ms++] = one * 1e3;
            spent += one;
        }
    }
    return DSC_OK;
}

static int compare_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double percentile(const double *sorted, int n, double p)
{
    const double at = p * (n - 1);
    const int low = (int)at;

    return low + 1 < n ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]) : sorted[n - 1];
}

void dsc_bench_stats(struct dsc_bench_side *side, struct dsc_bench_stats *stats)
{
    const int n = side->n_ms;
    double sum = 0, squares = 0;

    qsort(side->ms, (size_t)n, sizeof side->ms[0], compare_double);
    for (int i = 0; i < n; i++)
        sum += side->ms[i];
    stats->mean = sum / n;
    for (int i = 0; i < n; i++)
        squares += (side->ms[i] - stats->mean) * (side->ms[i] - stats->mean);
    stats->stdev = n > 1 ? sqrt(squares / (n - 1)) : 0;
    stats->p50 = percentile(side->ms, n, 0.5);
    stats->p90 = percentile(side->ms, n, 0.9);
    stats->p99 = percentile(side->ms, n, 0.99);
}

bool dsc_bench_reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    bool is_done;

    if (!f)
        return false;
    is_done = fputs("5\n", f) >= 0; /* 5: the peak of resident memory, proc(5) */
    return fclose(f) == 0 && is_done;
}

int64_t dsc_bench_peak_bytes(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    int64_t kib = 0;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoll(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib * 1024;
}
