/* Calibration of a text model: which values, which rows, and the ranges that come of it. */
#ifndef DSC_CLI_OBSERVE_H
#define DSC_CLI_OBSERVE_H

#include "calib.h"
#include "calibcheck.h"
#include "cmd.h"
#include "dsc/quant.h"
#include "textmodel.h"
#include "weights.h"

/** Called after each node; mask: [rows, tokens] of the batch, NULL: nothing is padding. */
typedef enum dsc_status dsc_see_fn(void *ctx, const struct dsc_node *n,
                                   const struct dsc_tensor *const *in,
                                   struct dsc_tensor *const *out, const struct dsc_tensor *mask,
                                   struct dsc_err *err);

/**
 * Run the first n rows of d through g (m's graph, or one with its inputs) in batches.
 * what    for the progress line
 * Errors  as dsc_session_run; of `see`
 */
enum dsc_status dsc_observe_nodes(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                  const struct dsc_graph *g, const struct dsc_dataset *d, int64_t n,
                                  int64_t batch, struct dsc_device *dev, const char *what,
                                  dsc_see_fn *see, void *ctx, struct dsc_err *err);

/** Room for values, used again. Zero-initialise; dsc_heap_free(data). */
struct dsc_kept {
    float *data;
    size_t n_max;
};

/**
 * The n values x of a tensor that count. Padding is not data: its activations depend on how batches
 * were made. A tensor by token, that is [rows, tokens, ..], [rows * tokens, ..] or [rows, heads,
 * tokens, ..], is put into k without it; any other is taken whole, and so are all without a mask.
 */
enum dsc_status dsc_observe_values(struct dsc_kept *k, const struct dsc_tensor *mask,
                                   const struct dsc_tensor *t, const float **x, int64_t *n,
                                   struct dsc_err *err);

/** Adds what a run computes to ranges and inputs, by the values of g; kept.data is freed after. */
struct dsc_watcher {
    struct dsc_ranges *r; /* or NULL */
    struct dsc_layer_input *inputs;
    int n_inputs;
    struct dsc_device *dev;
    const struct dsc_graph *g;
    struct dsc_token_count tokens;
    struct dsc_kept kept;
};

/** A dsc_see_fn; ctx: the watcher. */
enum dsc_status dsc_watch_node(void *ctx, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor *const *out,
                               const struct dsc_tensor *mask, struct dsc_err *err);
/** What no node computes: what the data bring. */
enum dsc_status dsc_watch_feeds(struct dsc_watcher *w, const struct dsc_textmodel *m,
                                const struct dsc_tensor *feeds, const struct dsc_tensor *mask,
                                struct dsc_err *err);

/** Watch every activation of the plan. */
enum dsc_status dsc_observe_watch(struct dsc_ranges *r, const struct dsc_graph *g,
                                  const struct dsc_quant_plan *plan, struct dsc_err *err);

/**
 * Run the first n rows of d in batches and add what the watched values hold.
 * Errors  as dsc_session_run
 */
enum dsc_status dsc_observe_run(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                const struct dsc_dataset *d, int64_t n, int64_t batch,
                                struct dsc_device *dev, struct dsc_ranges *r, struct dsc_err *err);

/** The same for n inputs of layers (by value number), which may hold earlier rows. */
enum dsc_status dsc_observe_inputs(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                   const struct dsc_dataset *d, int64_t n_rows, int64_t batch,
                                   struct dsc_device *dev, struct dsc_layer_input *inputs, int n,
                                   struct dsc_err *err);

/**
 * A ranges file: a safetensors of histograms, with the sha256 of their model beside. `model` is the
 * one that they must be of; if it is "", it gets what the file says. Files of versions that did not
 * write it are of any model.
 * Errors  INCONSISTENT  they are of another model
 *         SCHEMA        what the file says is no sha256
 */
enum dsc_status dsc_ranges_read(struct dsc_ranges *r, const char *path, char model[65],
                                struct dsc_err *err);
enum dsc_status dsc_ranges_write(const struct dsc_ranges *r, const char *path, const char model[65],
                                 bool may_replace, struct dsc_err *err);

#endif
