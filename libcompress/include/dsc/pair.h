/*
 * A model and its quantized form, side by side: the layers that both graphs have, a graph that
 * computes the error of each, and graphs in which chosen layers are float again.
 *
 * Two values correspond when they have the same name, or are outputs of nodes of the same name and
 * operator (of a lookup of codes, the DequantizeLinear behind it). A layer is a value with a
 * counterpart, together with the nodes behind it up to values that have counterparts themselves. It
 * is quantized when one of its nodes reads or makes 4-bit or 8-bit codes.
 */
#ifndef DSC_PAIR_H
#define DSC_PAIR_H

#include "dsc/arena.h"
#include "dsc/graph.h"

#include <stdbool.h>

/** name: of the first product (or lookup) in it, else of the node that makes its value. */
struct dsc_pair_layer {
    int ref_value, value; /* in ref, in quant */
    bool is_quantized;
    const char *name;
    int n_products; /* of ref, with the rules WEIGHT and TABLE */
    const struct dsc_node **products;
};

/** Layers are in ref's order. Graphs are the caller's and must outlive the pair. */
struct dsc_pair {
    const struct dsc_graph *ref, *quant;
    int n_layers, n_quantized;
    struct dsc_pair_layer *layers;
    int *ref_of;   /* [quant->n_values] counterpart in ref, or DSC_NO_VALUE */
    int *quant_of; /* [ref->n_values] and back */
};

/**
 * Find the layers that both graphs have. What only moves data (Reshape, Transpose ..) and values
 * that are not f32 are no layers of their own. Nothing in common is no error: see n_quantized.
 *
 * Errors  INCONSISTENT  the graphs have other inputs or outputs
 */
enum dsc_status dsc_pair_match(const struct dsc_graph *ref, const struct dsc_graph *quant,
                               struct dsc_arena *arena, struct dsc_pair *pair, struct dsc_err *err);

enum dsc_pair_error {
    DSC_PAIR_RUN, /* both graphs run as they are: errors add up from layer to layer */
    DSC_PAIR_OWN, /* the quantized layer on ref's values: what it loses by itself */
    DSC_N_PAIR_ERRORS
};

/**
 * ref with quant beside it. Nodes of their own (see dsc_pair_error_of), for OWN of quantized layers
 * only, subtract ref's value (input 1) from quant's (input 0); inputs and outputs are ref's. Nodes
 * stand in an order in which values of both graphs are released soon.
 *
 * Memory  *g is the caller's (dsc_graph_free)
 * Errors  UNSUPPORTED  a node of ref is named as those that are added
 */
enum dsc_status dsc_pair_compare(const struct dsc_pair *pair, struct dsc_graph **g,
                                 struct dsc_err *err);

/** The layer and the kind of a node of that graph; false for others. */
bool dsc_pair_error_of(const struct dsc_node *n, enum dsc_pair_error *kind, int *layer);

/**
 * quant with ref's nodes in the layers marked in is_float [n_layers].
 * Memory  *g is the caller's (dsc_graph_free)
 */
enum dsc_status dsc_pair_mix(const struct dsc_pair *pair, const bool *is_float,
                             struct dsc_graph **g, struct dsc_err *err);

#endif
