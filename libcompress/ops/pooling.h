/* What MaxPool and AveragePool share, and the global pools: reductions over all spatial axes. */
#ifndef DSC_OPS_POOLING_H
#define DSC_OPS_POOLING_H

#include "ops/elementwise.h"
#include "ops/window.h"

enum dsc_status dsc_pooling_infer(struct dsc_infer *q, struct dsc_err *err);
/** The windows of a node on an input of these sizes; fn is its record's. */
enum dsc_status dsc_pooling_spec(struct dsc_pool_spec *s, const struct dsc_node *n, int rank,
                                 const int64_t *x_dim, struct dsc_err *err);
int64_t dsc_pooling_flops(const struct dsc_infer *q);

/** GlobalMaxPool, GlobalAveragePool: fn is the reduction. */
enum dsc_status dsc_global_pool_infer(struct dsc_infer *q, struct dsc_err *err);
enum dsc_status dsc_global_pool_forward(DSC_FORWARD_PARAMS);
enum dsc_status dsc_global_pool_backward(DSC_BACKWARD_PARAMS);

#endif
