/*
 * An encoder by structure: values of its layers and of their attention, whatever way it is written.
 */
#ifndef DSC_ENCODER_H
#define DSC_ENCODER_H

#include "dsc/arena.h"
#include "dsc/graph.h"

/**
 * What there is of a layer. B rows, T tokens, D width, H heads of size d.
 *
 * HIDDEN    [B, T, D] or [B * T, D]: the residual stream behind the layer; of layer 0 the
 *           embeddings
 * PROBS     [B, H, T, T]: what its Softmax gives
 * QUERY     [B, H, T, d], before any factor; VALUE likewise
 * KEY       [B, H, d, T], as the product reads it
 * FEATURES  [B, D]: what the last product of the logits reads; of layer 0
 */
enum dsc_tap {
    DSC_TAP_HIDDEN,
    DSC_TAP_PROBS,
    DSC_TAP_QUERY,
    DSC_TAP_KEY,
    DSC_TAP_VALUE,
    DSC_TAP_FEATURES,
    DSC_N_TAPS
};

/** value [tap][layer], layers from 1, DSC_NO_VALUE: not there; why [layer] then, NULL else. */
struct dsc_encoder {
    int n_layers;
    int *value[DSC_N_TAPS];
    const char **why;
};

/**
 * Layers as dsc_prune_find_layers finds them, n_layers 0 and why[0] where it finds none. Attention
 * of a layer is a Softmax between two products (MatMul) of activations of rank 4; factors, masks
 * and biases may stand between. The graph is sorted and verified.
 *
 * output  number of the graph output with the logits
 * Memory  in `arena`
 */
enum dsc_status dsc_encoder_find(const struct dsc_graph *g, int output, struct dsc_arena *arena,
                                 struct dsc_encoder *e, struct dsc_err *err);

#endif
