/*
 * Low-rank factors: a linear layer's weight W [K,N] as U [K,r] times V [r,N], fewer elements where
 * r (K + N) < K N. A looked-up table [V,D] is a layer, too: its factors are looked up and mapped.
 */
#ifndef DSC_LOWRANK_H
#define DSC_LOWRANK_H

#include "dsc/linalg.h"
#include "dsc/prune.h"

struct dsc_lowrank_layer {
    int weight;      /* value number; with the factors U's, which keeps the name */
    const char *why; /* why it is left as it is; NULL: it gets factors. Then the rest is filled */
    struct dsc_node *node;
    int input; /* value that is multiplied by the weight; of a lookup its indices */
    bool is_lookup;
    bool is_turned; /* the weight is [n_out, n_in] */
    int64_t n_in, n_out, rank;
    int second;  /* V's value number, NAME.wide (of a table NAME.map), by dsc_lowrank_put */
    double kept; /* by dsc_lowrank_put: 1 - squared error / squared norm, of the outputs of
                    the tokens behind gram; without it of the weight */
};

struct dsc_lowrank_layers {
    int n, n_chosen; /* of them without `why` */
    struct dsc_lowrank_layer *items;
};

/**
 * Of the weights that dsc_prune_find has found for DSC_MASK_ELEMENTS those that get factors: the
 * second factor of one Gemm or MatMul, or a table of one Gather, where the rank makes it smaller.
 *
 * rank    of all layers; 0: of each the largest with at most (1 - sparsity) of its weights, where
 *         that is 4 or more
 * Errors  UNSUPPORTED  none; the message says why for the first that could have been
 */
enum dsc_status dsc_lowrank_find(const struct dsc_graph *g, const struct dsc_prune_weights *w,
                                 int64_t rank, double sparsity, struct dsc_arena *arena,
                                 struct dsc_lowrank_layers *layers, struct dsc_err *err);

/**
 * The factors of a layer into the graph, which has to be sorted and verified when all are in.
 *
 * gram    of the layer's input [n_in,n_in], upper half; NULL: the factors of W's own least error
 * Errors  NONFINITE; MEMORY
 * Source  Eckart and Young 1936; with data Wang et al. 2024, arXiv:2403.07378 (SVD-LLM)
 */
enum dsc_status dsc_lowrank_put(struct dsc_graph *g, struct dsc_lowrank_layer *l, const float *gram,
                                struct dsc_device *dev, struct dsc_err *err);

#endif
