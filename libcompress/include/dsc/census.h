/*
 * Counting: parameters, zeros, values that are not finite, and operations of a graph.
 */
#ifndef DSC_CENSUS_H
#define DSC_CENSUS_H

#include "dsc/graph.h"
#include "dsc/op.h"
#include "dsc/tensor.h"

#include <stdbool.h>
#include <stdint.h>

/** One tensor's values. min, max and mean are of the finite ones; all 0 when there are none. */
struct dsc_tensor_census {
    int64_t n_elems, n_nonzero, n_nan, n_inf;
    double min, max, mean;
};

/**
 * Values of a HOST tensor of any type. `has_range` false leaves min, max and mean at 0 and is
 * faster.
 */
void dsc_tensor_census(const struct dsc_tensor *t, bool has_range, struct dsc_tensor_census *c);

/**
 * Is the initializer a parameter: a number that the model has learned? Not one are shapes, axes and
 * other inputs that operators read on the host, indices (64-bit integers and bools), and the scales
 * and zero points of QuantizeLinear and DequantizeLinear, which belong to the number they scale.
 *
 * is_param  [g->n_values], filled
 * Memory    the caller's
 */
void dsc_graph_mark_params(const struct dsc_graph *g, bool *is_param);

/** Sum over all parameters. */
struct dsc_param_census {
    int64_t n_params, n_nonzero;
    uint64_t n_bytes; /* of all initializers that are used, parameters or not */
};

/** Errors: MEMORY */
enum dsc_status dsc_graph_param_census(const struct dsc_graph *g, struct dsc_param_census *c,
                                       struct dsc_err *err);

/**
 * Floating-point operations of a node whose shapes are all known; multiply and add count as two. An
 * operator without a rule counts one per output element.
 *
 * Units  -1: not known
 */
int64_t dsc_node_flops(const struct dsc_infer *q);

#endif
