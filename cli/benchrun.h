/* Timing: models that run in turns on the same number of examples. */
#ifndef DSC_CLI_BENCHRUN_H
#define DSC_CLI_BENCHRUN_H

#include "textmodel.h"

enum { DSC_BENCH_MAX_RUNS = 1000 };

/** One model that is timed. Zero-initialise but for the path and the graph. */
struct dsc_bench_side {
    const char *path;
    const struct dsc_graph *graph; /* a copy of it is timed instead of the file's; may be NULL */
    struct dsc_textmodel m;
    const struct dsc_type *types; /* of the inputs that are drawn, with --shapes */
    struct dsc_session *s;
    struct dsc_tensor *feeds, *out; /* [n_inputs], [n_outputs], in the verb's arena */
    double ms[DSC_BENCH_MAX_RUNS];
    int n_ms;
};

/** Of one side in one cell; milliseconds of a whole batch. */
struct dsc_bench_stats {
    double p50, p90, p99, mean, stdev;
};

/** Open the model and rewrite it for running. */
enum dsc_status dsc_bench_open(struct dsc_cmd *cmd, struct dsc_bench_side *side,
                               const struct dsc_device *dev, struct dsc_err *err);
void dsc_bench_close(struct dsc_bench_side *side);

/**
 * Inputs of `batch` examples of `length` tokens: ids drawn from the vocabulary by the seed, masks
 * of ones, types of zeros. Replaces those that are there.
 */
enum dsc_status dsc_bench_feed(struct dsc_bench_side *side, int64_t batch, int64_t length,
                               uint64_t seed, struct dsc_err *err);

/** One run; the hook may be NULL. */
enum dsc_status dsc_bench_run(struct dsc_bench_side *side, const struct dsc_run *run,
                              double *seconds, struct dsc_err *err);

/**
 * Warm up, then run the sides in turns until the time is spent: at least 5 runs of each.
 * Errors  INTERRUPTED, TERMINATED
 */
enum dsc_status dsc_bench_time(struct dsc_cmd *cmd, struct dsc_bench_side *sides, int n_sides,
                               struct dsc_err *err);

/** Sorts side->ms. Percentiles by linear interpolation. */
void dsc_bench_stats(struct dsc_bench_side *side, struct dsc_bench_stats *stats);

/** Forget the process's peak of memory; false where the system cannot. */
bool dsc_bench_reset_peak(void);
/** The peak of resident memory since then (or since the start); 0 where it is not known. */
int64_t dsc_bench_peak_bytes(void);

#endif
