/*
 * Running a graph: the interpreter, its frame, and the tape that backward reads.
 *
 * A session binds a read-only graph to a device and holds the device's copies of the weights.
 * A frame holds the tensors of one run. Values are released at their last use.
 */
#ifndef DSC_EXEC_H
#define DSC_EXEC_H

#include "dsc/device.h"
#include "dsc/graph.h"
#include "dsc/op.h"

struct dsc_session;
struct dsc_tape;

/**
 * The graph must outlive the session and stay unchanged; it has been sorted and verified.
 * Weights are uploaded on first use (on the cpu they are shared, not copied).
 */
enum dsc_status dsc_session_open(struct dsc_session **s, const struct dsc_graph *g,
                                 struct dsc_device *dev, struct dsc_err *err);
void dsc_session_close(struct dsc_session *s);
const struct dsc_graph *dsc_session_graph(const struct dsc_session *s);

/** Replace the session's tensor of an initializer (device or host memory; a reference is taken). */
enum dsc_status dsc_session_set_weight(struct dsc_session *s, int value, const struct dsc_tensor *t,
                                       struct dsc_err *err);
/** Let go of the session's reference to an initializer; it is taken anew if a node needs it. */
void dsc_session_drop_weight(struct dsc_session *s, int value);
/** The session's tensor of an initializer; NULL when the value is none. */
const struct dsc_tensor *dsc_session_weight(struct dsc_session *s, int value, struct dsc_err *err);

struct dsc_run {
    bool is_training;
    uint64_t seed, step;
    const int64_t *example_ids; /* host, [n_examples]; may be NULL */
    int64_t n_examples;
    /** Called after each node with its outputs (device memory); NULL: not wanted. */
    enum dsc_status (*after_node)(void *ctx, const struct dsc_node *n,
                                  const struct dsc_tensor *const *in, struct dsc_tensor *const *out,
                                  struct dsc_err *err);
    void *ctx;
};

/**
 * One forward pass. feeds: graph->n_inputs tensors in the graph's order (an input that is also an
 * initializer may be left zeroed). outputs: graph->n_outputs zeroed structs, filled with references
 * (device memory, or host for host values).
 *
 * Errors  SHAPE, TYPE with the node and input named; MEMORY; what operators report
 */
enum dsc_status dsc_session_run(struct dsc_session *s, const struct dsc_run *run,
                                const struct dsc_tensor *feeds, struct dsc_tensor *outputs,
                                struct dsc_err *err);

/**
 * A pass that stops between nodes and goes on later: what is left of it is what later nodes read.
 * feeds as dsc_session_run's. It ends before its session does.
 */
struct dsc_partial;
enum dsc_status dsc_partial_open(struct dsc_partial **p, struct dsc_session *s,
                                 const struct dsc_tensor *feeds, struct dsc_err *err);
void dsc_partial_close(struct dsc_partial *p);
/** The nodes before `last` that have not run. Errors: as dsc_session_run. */
enum dsc_status dsc_partial_run(struct dsc_partial *p, const struct dsc_run *run, int last,
                                struct dsc_err *err);

/**
 * The tape of one session: which values want a gradient, and what backward needs of a run.
 *
 * wanted     value numbers whose gradients are to be kept (initializers, or inputs)
 * n_segments 1: everything is saved. > 1: gradient checkpointing (Chen et al. 2016,
 *            arXiv:1604.06174): the node list is cut in that many segments, only values that cross
 *            a cut are kept, and segments run again during backward
 * Errors     UNSUPPORTED  a wanted value reaches an output through operators without a backward;
 *                         the message names all of them
 */
enum dsc_status dsc_tape_open(struct dsc_tape **tape, struct dsc_session *s, int n_wanted,
                              const int *wanted, int n_segments, struct dsc_err *err);
void dsc_tape_close(struct dsc_tape *tape);

/**
 * A forward pass like dsc_session_run that records what backward needs. `run` and its arrays must
 * stay valid until the backward pass; an earlier recording is dropped.
 */
enum dsc_status dsc_tape_run(struct dsc_tape *tape, const struct dsc_run *run,
                             const struct dsc_tensor *feeds, struct dsc_tensor *outputs,
                             struct dsc_err *err);

/**
 * Gradients of sum(seed * output) for the run that was recorded last. `output`: graph output
 * number; `seed` NULL: ones. grads[i] of wanted[i] is ADDED to when present, else set; a value that
 * does not reach the output gets zeros. Ends the recording.
 */
enum dsc_status dsc_tape_backward(struct dsc_tape *tape, int output, const struct dsc_tensor *seed,
                                  struct dsc_tensor *grads, struct dsc_err *err);

#endif
