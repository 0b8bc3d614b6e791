/*
 * Reductions over axes: what their files share. A record names its function in `fn`. Form of opset
 * 18: input 1 holds the axes (host); without it all axes, or none with noop_with_empty_axes.
 */
#ifndef DSC_REDUCTION_H
#define DSC_REDUCTION_H

#include "ops/elementwise.h"

enum dsc_status dsc_reduction_upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                                      struct dsc_err *err);
enum dsc_status dsc_reduction_infer(struct dsc_infer *q, struct dsc_err *err);
enum dsc_status dsc_reduction_forward(DSC_FORWARD_PARAMS);
enum dsc_status dsc_reduction_backward(DSC_BACKWARD_PARAMS);
int64_t dsc_reduction_flops(const struct dsc_infer *q);

#endif
