/* Softmax and LogSoftmax: what their files share. The record's `fn` is 1 for the logarithm. */
#ifndef DSC_SOFTMAX_H
#define DSC_SOFTMAX_H

#include "ops/elementwise.h"

/** Before opset 13: axis defaults to 1, and all axes from it on are normalised as one. */
enum dsc_status dsc_softmax_upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                                    struct dsc_err *err);
enum dsc_status dsc_softmax_infer(struct dsc_infer *q, struct dsc_err *err);
enum dsc_status dsc_softmax_forward(DSC_FORWARD_PARAMS);
enum dsc_status dsc_softmax_backward(DSC_BACKWARD_PARAMS);

#endif
