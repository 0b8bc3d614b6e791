/* Inside of exec/: sessions, frames, and how a node runs. grad/ uses it to run segments again. */
#ifndef DSC_FRAME_H
#define DSC_FRAME_H

#include "dsc/exec.h"

struct dsc_session {
    const struct dsc_graph *graph;
    struct dsc_device *dev, *host;
    bool owns_host;
    struct dsc_tensor *weights; /* [n_values]: the device's copies of initializers */
};

/** The tensors of one run: [n_values], and how many consumers each still has. */
struct dsc_frame {
    struct dsc_session *s;
    struct dsc_tensor *t;
    int *n_left;
    int n_values;
};

enum dsc_status dsc_frame_init(struct dsc_frame *f, struct dsc_session *s, struct dsc_err *err);
void dsc_frame_clear(struct dsc_frame *f);
/** A consumer is done with the value: released after the last one. */
void dsc_frame_release(struct dsc_frame *f, int value);
/** The tensor of a value: from the frame, or a weight. NULL: absent input. */
enum dsc_status dsc_frame_get(struct dsc_frame *f, int value, const struct dsc_tensor **t,
                              struct dsc_err *err);

/** Check the feeds against the graph's inputs and put them into the frame. */
enum dsc_status dsc_frame_feed(struct dsc_frame *f, const struct dsc_tensor *feeds,
                               struct dsc_err *err);
/** References to the graph's outputs; on failure none is left. */
enum dsc_status dsc_frame_outputs(struct dsc_frame *f, struct dsc_tensor *outputs,
                                  struct dsc_err *err);

/** What a run does with each node: the plain interpreter releases, a tape saves. */
struct dsc_node_io {
    const struct dsc_node *node;
    const struct dsc_tensor **in; /* as forward gets them: device or host memory */
    struct dsc_tensor **out;
};

/** Run nodes [first, last) of the graph on the frame. `save` is called after each, may be NULL. */
enum dsc_status dsc_frame_run(struct dsc_frame *f, const struct dsc_run *run, int first, int last,
                              enum dsc_status (*save)(void *ctx, int node_idx,
                                                      const struct dsc_node_io *io,
                                                      struct dsc_err *err),
                              void *ctx, struct dsc_err *err);

/** Backward of one node gets the same execution context as its forward. */
void dsc_exec_init(struct dsc_exec *x, struct dsc_device *dev, const struct dsc_run *run);
void dsc_exec_release(struct dsc_exec *x);
void dsc_exec_clear(struct dsc_exec *x);

#endif
