/*
 * Pruning: which weights may become 0 or go, which do, and what a file says of it.
 *
 *   weights -> mask (zeros in the constants; shapes stay)
 *   axes -> choose -> cut (units of tied axes are removed; shapes shrink)
 *
 * What a weight is follows from the operators' pruning rules (dsc/op.h): a float constant that a
 * matrix product reads, directly or through Transpose and Identity.
 */
#ifndef DSC_PRUNE_H
#define DSC_PRUNE_H

#include "dsc/arena.h"
#include "dsc/graph.h"

#include <stdbool.h>
#include <stdint.h>

enum dsc_mask_kind {
    DSC_MASK_ELEMENTS, /* any element */
    DSC_MASK_GROUPS,   /* n of m that stand together along the summed axis are kept */
    DSC_MASK_BLOCKS    /* n x m: n outputs by m along the summed axis, all of a block or none */
};

struct dsc_mask_pattern {
    enum dsc_mask_kind kind;
    int64_t n, m;
};

/**
 * "unstructured", "2:4" (any N:M, 0 < N < M), "block:4x1" (outputs x summed axis).
 * Errors  USAGE
 */
enum dsc_status dsc_mask_pattern_parse(const char *text, struct dsc_mask_pattern *p,
                                       struct dsc_err *err);

/** One tensor and its fate. */
struct dsc_prune_weight {
    int value;                      /* number of the initializer */
    int sum_axis;                   /* the axis that products sum over; -1: it has none */
    int64_t n_elems, n_zero_before; /* counted by dsc_prune_find */
    int64_t n_zero;                 /* afterwards */
    const float *score;             /* [n_elems] what each is worth; NULL: its magnitude */
    const char *why;                /* why it is left as it is; NULL: it is pruned */
};

struct dsc_prune_weights {
    int n;
    struct dsc_prune_weight *items; /* in the order of the graph's values */
    int n_chosen;                   /* of them without `why` */
};

/** Vectors and looked-up tables are pruned where they are asked for by name only. */
enum dsc_prune_choice {
    DSC_PRUNE_EXCLUDED, /* by name */
    DSC_PRUNE_LEFT_OUT, /* others are named */
    DSC_PRUNE_CHOSEN,
    DSC_PRUNE_ASKED_FOR
};

/** By the tensor's name and those of the nodes that read it. */
typedef enum dsc_prune_choice dsc_prune_choose_fn(void *ctx, const char *weight, int n_nodes,
                                                  const char *const *nodes);

/**
 * The fate of every float parameter of more than one element under a pattern. A tensor that is read
 * in two roles (as a table and by a product, or along two axes) is left. Where the pattern asks for
 * groups or blocks, the axes must be multiples of their sizes.
 *
 * choose  NULL: all are chosen
 * Errors  UNSUPPORTED  none can be pruned; the message says why for the first few
 */
enum dsc_status dsc_prune_find(const struct dsc_graph *g, const struct dsc_mask_pattern *p,
                               dsc_prune_choose_fn *choose, void *ctx, struct dsc_arena *arena,
                               struct dsc_prune_weights *w, struct dsc_err *err);

/**
 * Set what is worth least to 0: by magnitude, or by scores, which may be negative. Of equals the
 * first in the order of the list and of the elements goes first. Zeros that are there count.
 *
 * sparsity   ELEMENTS, BLOCKS: round(sparsity * n) of the n elements (of a block: its Frobenius
 *            norm, or the sum of its scores) of each tensor, or of all together (is_global), halves
 * to the even number, as torch.nn.utils.prune does. GROUPS: not used, m - n of every m become 0
 * n_changed  elements that were no 0 before
 * Errors     USAGE  nothing would change
 * Source     magnitude: Han et al. 2015, arXiv:1506.02626; N:M: Mishra et al. 2021,
 *            arXiv:2104.08378, along the axis that a sparse tensor core sums over
 */
enum dsc_status dsc_prune_mask(struct dsc_graph *g, const struct dsc_mask_pattern *p,
                               double sparsity, bool is_global, struct dsc_prune_weights *w,
                               int64_t *n_changed, struct dsc_err *err);

/**
 * Sparsity that step t of n asks for, on the way from 0 to `end`: end - end (1 - t/n)^3.
 * Source  Zhu and Gupta 2017, arXiv:1710.01878, equation 1
 */
double dsc_prune_ramp(double end, uint64_t t, uint64_t n);

/* ---- units: structured pruning ---- */

/**
 * An axis of a value. Element i belongs to unit[i] of its group: the elements of one unit, on all
 * axes of the group, stay or go together.
 */
struct dsc_tied_axis {
    int value, axis;
    int64_t n;      /* elements of the axis */
    int *unit;      /* [n] */
    bool is_summed; /* a product sums over it: with zeros here the unit is without effect */
    bool is_made;   /* a product makes it: a constant's outputs */
};

/**
 * Axes that are tied by the operators' pruning rules, from one that a product makes (ffn) or that
 * attention runs over (heads).
 */
struct dsc_axis_group {
    const char *name; /* of the node that it was found from */
    const char *why;  /* why it is left as it is; NULL: it can be pruned. Then the rest is filled */
    int n_units, n_gone;
    bool *is_gone; /* [n_units] by dsc_prune_choose */
    double *score; /* [n_units] by dsc_prune_find_axes */
    int n_axes;
    struct dsc_tied_axis *axes;
};

struct dsc_axis_groups {
    int n, n_chosen;    /* of them without `why` */
    bool is_comparable; /* scores mean the same in every group */
    struct dsc_axis_group *items;
};

enum dsc_axis_pattern {
    DSC_AXIS_FFN,      /* the inner width of products with elementwise nodes between them */
    DSC_AXIS_HEADS,    /* heads of attention: a batch axis of products of two activations */
    DSC_AXIS_HIDDEN,   /* the width of the residual stream, as layers have it */
    DSC_AXIS_GATES,    /* hidden units of recurrent layers, with their gates */
    DSC_AXIS_CHANNELS, /* channels between convolutions, with norms and pools there */
    DSC_AXIS_HEAD_SIZE /* channels of heads: what a product of two activations sums over (queries
                          and keys), or what it carries from its second factor (values) */
};

/**
 * Sizes that stand in the shapes of Reshape nodes beside others that are computed, as exporters
 * write the split into heads; and first states of recurrent layers that are zeros become absent, as
 * their size is computed, too. To be called before groups are looked for.
 */
enum dsc_status dsc_prune_learn_sizes(struct dsc_graph *g, struct dsc_err *err);

/**
 * Groups of a pattern, in the order of the graph's nodes. From the first axis on, the rule of every
 * node that reads or makes a tied value says which other axes are tied to it, until only axes are
 * left that constants end: the outputs of the products before, the summed axes of those behind. A
 * group that reaches an input or output of the graph, a norm, a lookup or a node without a rule
 * cannot be pruned; `why` names the node. HIDDEN runs through norms: gain and bias shrink, and what
 * is left is normalised; the result is then that of a graph whose norms run over kept entries.
 *
 * choose  as for dsc_prune_find, by the constants of a group and the nodes that read them
 *
 * score   of a unit: the Euclidean norm of all constants' elements that belong to it
 *
 * Errors  UNSUPPORTED  no group can be pruned; the message says why for the first few
 *
 * Source  Fang et al. 2023, arXiv:2301.12900 (dependency graph, group norm)
 */
enum dsc_status dsc_prune_find_axes(const struct dsc_graph *g, enum dsc_axis_pattern pattern,
                                    dsc_prune_choose_fn *choose, void *ctx, struct dsc_arena *arena,
                                    struct dsc_axis_groups *groups, struct dsc_err *err);

/**
 * What one batch says of a group: for each unit the derivative of the loss by a factor on it, the
 * sum of g w over the weights that products sum over the unit. Its square is added to sum
 * [n_units].
 *
 * gradient  of a constant by its value number, on the host, cleared here
 * Source    Molchanov et al. 2019, arXiv:1906.10771 (first-order Taylor, squared, by groups);
 *           Michel et al. 2019, arXiv:1905.10650 (for heads)
 */
enum dsc_status dsc_prune_add_taylor(const struct dsc_graph *g, const struct dsc_axis_group *group,
                                     enum dsc_status (*gradient)(void *ctx, int value,
                                                                 struct dsc_tensor *t,
                                                                 struct dsc_err *err),
                                     void *ctx, double *sum, struct dsc_err *err);

/**
 * Choose the units of least score: round(sparsity * n) of each group's n, or of all together: by
 * score, where scores are comparable, else by score over the mean of the group. One unit of each
 * axis always stays.
 * Errors  USAGE  nothing would go
 */
enum dsc_status dsc_prune_choose(struct dsc_axis_groups *groups, double sparsity, bool is_global,
                                 struct dsc_err *err);

/**
 * Groups of HEAD_SIZE, whose unit j is channel j of every head: give each head its own order, the
 * channels of the largest norm first, so that a unit is what the heads need equally much. The
 * graph computes the same; scores are taken anew. A group whose constants are not all split into
 * the same heads is left as it is.
 */
enum dsc_status dsc_prune_align_heads(struct dsc_graph *g, struct dsc_axis_groups *groups,
                                      struct dsc_err *err);

/**
 * Remove the chosen units: constants shrink, Reshape nodes get the new sizes, the graph is sorted
 * and verified. The result equals that of the graph with zeros at the summed axes of these units.
 * Errors  INTERNAL  the graph does not fit together any more
 */
enum dsc_status dsc_prune_cut(struct dsc_graph *g, const struct dsc_axis_groups *groups,
                              struct dsc_err *err);

/** What another order of a group's channels brought, in sums of magnitudes. */
struct dsc_prune_order {
    const char *name;         /* of the group */
    const char *why;          /* why the order is as it was; NULL: it was looked for */
    double all;               /* of the weights that are pruned along the channels */
    double kept_before, kept; /* of it by the mask */
};

/**
 * Before an N:M mask (DSC_MASK_GROUPS): the units of a group of FFN or HIDDEN in an order in which
 * the weights of w that sum over them, and are pruned, keep more magnitude. Every constant of the
 * group gets the order: the graph computes what it did, but for rounding.
 *
 * Errors  MEMORY
 * Source  Pool and Yu 2021, "Channel permutations for N:M sparsity" (NeurIPS): greedy swaps of
 *         channels between stripes
 */
enum dsc_status dsc_prune_permute(struct dsc_graph *g, const struct dsc_mask_pattern *p,
                                  const struct dsc_prune_weights *w,
                                  const struct dsc_axis_group *group, struct dsc_prune_order *done,
                                  struct dsc_err *err);

/* ---- layers ---- */

struct dsc_prune_layer {
    const char *name;          /* of the node of its first product of two activations */
    int in, out;               /* values of the residual stream, of one type */
    int first_node, last_node; /* what stands between them is among these */
    bool stays;                /* by the caller, before the choice */
    bool is_gone;
};

struct dsc_prune_layers {
    int n, n_gone;
    struct dsc_prune_layer *items; /* from the input on */
};

/**
 * Layers of attention and what follows it, by structure: every path from an input to the outputs
 * runs through both ends (sizes and masks left aside), attention ends in a residual sum, and all
 * layers are of the same kinds of nodes.
 *
 * Errors  UNSUPPORTED  fewer than two
 */
enum dsc_status dsc_prune_find_layers(const struct dsc_graph *g, struct dsc_arena *arena,
                                      struct dsc_prune_layers *layers, struct dsc_err *err);

/**
 * Choose round(sparsity * n) layers from the top; one always stays.
 *
 * Errors  USAGE  none would go, or more than may
 * Source  Sajjad et al. 2020, arXiv:2004.03844: of ways to drop layers without training, the top
 *         ones cost the least
 */
enum dsc_status dsc_prune_choose_layers(struct dsc_prune_layers *layers, double sparsity,
                                        struct dsc_err *err);

/** What read a layer's output reads its input. */
enum dsc_status dsc_prune_cut_layers(struct dsc_graph *g, const struct dsc_prune_layers *layers,
                                     struct dsc_err *err);

/* ---- tokens ---- */

/** Token ids before and after: new_id [n], -1 for one that is gone. */
struct dsc_prune_ids {
    int32_t n, n_kept;
    const int32_t *new_id;
};

/**
 * Constant tables that the graph's input `ids` looks up get the rows of the tokens that stay.
 *
 * tables  their value numbers, in the arena
 * Errors  UNSUPPORTED   no such table; a table that others read, too; a node that does anything
 *                       else with ids, or compares them with one that would change
 *         INCONSISTENT  a table with fewer rows than there are tokens
 */
enum dsc_status dsc_prune_vocab(struct dsc_graph *g, int ids, const struct dsc_prune_ids *map,
                                struct dsc_arena *arena, int **tables, int *n_tables,
                                struct dsc_err *err);

#endif
