/*
 * Rows through a graph from one group of layers to the next: all batches stop where the group's
 * inputs have been computed, the caller does something with them, and they go on. One pass, with
 * the statistics of one group in memory at a time.
 */
#ifndef DSC_CLI_STEPS_H
#define DSC_CLI_STEPS_H

#include "observe.h"

/** What is held of layers' inputs at once, unless one alone is larger. */
#define DSC_STEP_BYTES ((uint64_t)64 << 20)

struct dsc_step_batch;

struct dsc_steps {
    struct dsc_cmd *cmd;
    const struct dsc_textmodel *m;
    const struct dsc_dataset *d;
    int64_t batch;
    struct dsc_device *dev;
    struct dsc_ranges *ranges; /* that are filled on the way; NULL: none */
    /* inside */
    struct dsc_graph *g; /* m's as it was at the start; weights that no batch needs any more go */
    struct dsc_session *session;
    struct dsc_step_batch *batches;
    int64_t n_batches;
    int next;     /* the node at which all batches wait */
    bool has_fed; /* what the data bring has been seen */
    struct dsc_watcher w;
};

/**
 * Start at m's graph, all rows of d; set the fields above first. Changes of m's graph are not seen
 * later. Memory: close it, also after a failure.
 * Errors  as dsc_session_run
 */
enum dsc_status dsc_steps_open(struct dsc_steps *s, struct dsc_err *err);
/**
 * Go on until inputs [n], by value numbers of the graph at the start, have been computed, and add
 * what they hold.
 * Errors  as dsc_session_run; INTERNAL, an input that has been passed
 */
enum dsc_status dsc_steps_to(struct dsc_steps *s, struct dsc_layer_input *inputs, int n,
                             struct dsc_err *err);
/** The place of a value in the order of steps; inputs of one place go together. */
int dsc_steps_place(const struct dsc_steps *s, int value);
/** Inputs in the order of their places; those of one place stay in the order that they have. */
void dsc_steps_sort(const struct dsc_steps *s, struct dsc_layer_input *inputs, int n);
/** How many of n sorted inputs go together: those whose Gram matrices fit, and those of one place.
 */
int dsc_steps_together(const struct dsc_steps *s, const struct dsc_layer_input *inputs, int n);
/** To the end; the ranges are complete and checked. */
enum dsc_status dsc_steps_finish(struct dsc_steps *s, struct dsc_err *err);
void dsc_steps_close(struct dsc_steps *s);

#endif
