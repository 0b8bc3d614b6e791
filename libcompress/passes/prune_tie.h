/* Tying axes: from one axis to all that shrink with it. */
#ifndef DSC_PRUNE_TIE_H
#define DSC_PRUNE_TIE_H

#include "dsc/prune.h"
#include "passes/rewrite.h"

enum { DSC_TIE_WHY_BYTES = 240 };

/** A group that grows. Units are numbers below n_units whose sets only ever merge. */
struct dsc_tie {
    const struct dsc_graph *g;
    struct dsc_arena *arena;
    int n_units;
    int *parent; /* [n_units] */
    int n, cap;
    struct dsc_tied_axis *axes;  /* unit[] by any member of its set: read it by dsc_tie_unit */
    bool may_norm;               /* norms along the axis are tied, not refused */
    bool has_attention;          /* a product of two activations has been passed */
    char why[DSC_TIE_WHY_BYTES]; /* "" as long as nothing stands against it */
    struct dsc_err *err;         /* MEMORY */
};

/** Where a tied axis meets a node: input or output k. */
struct dsc_tie_port {
    bool is_out;
    int k;
    const struct dsc_tied_axis *at;
};

/** The set's own number. */
int dsc_tie_unit(const struct dsc_tie *t, int unit);
void dsc_tie_join(struct dsc_tie *t, int a, int b);
/** n units more, each a set of its own: their numbers. NULL: refused. */
int *dsc_tie_new_units(struct dsc_tie *t, int64_t n);
/** Say why the group cannot be pruned; false. */
bool dsc_tie_refuse(struct dsc_tie *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Tie an axis, n elements with these units; one that is tied already gets its units joined. */
bool dsc_tie_add(struct dsc_tie *t, int value, int axis, int64_t n, const int *unit);
struct dsc_tied_axis *dsc_tie_find(const struct dsc_tie *t, int value, int axis);
/** What the node's pruning rule ties to an axis. False: refused. */
bool dsc_tie_through(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p);

/** The rule of Reshape and its like, in a file of its own. */
bool dsc_tie_reshape(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p);

/** The rule of recurrent operators. */
bool dsc_tie_recurrent(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p);
/** The rules of convolutions, and of what works on each channel by itself. */
bool dsc_tie_conv(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p);
bool dsc_tie_channels(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p);
/** Attribute `group` of convolutions that have lost some: as many as the channels make. */
enum dsc_status dsc_prune_set_groups(struct dsc_graph *g, struct dsc_err *err);
/** sum[unit of an element] += its square, for all elements of a constant. */
void dsc_prune_add_squares(const struct dsc_tensor *w, const struct dsc_tied_axis *a, double *sum);
/** First states of recurrent layers that are zeros: none. */
void dsc_prune_drop_zero_states(struct dsc_graph *g);

/** A size in the shape input of a Reshape, where it is known before it runs; else
 *  DSC_DIM_UNKNOWN: the rest (-1), or 0: it is computed. */
int64_t dsc_reshape_size(const struct dsc_graph *g, const struct dsc_node *n, int axis);
/** Make a known size at an axis of its output `size`; a -1 stays. */
enum dsc_status dsc_reshape_set_size(struct dsc_graph *g, struct dsc_node *n, int axis,
                                     int64_t size, struct dsc_err *err);

#endif
