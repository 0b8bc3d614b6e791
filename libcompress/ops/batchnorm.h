/* BatchNormalization (op_batchnormalization.c) by the statistics of the batch. */
#ifndef DSC_BATCHNORM_H
#define DSC_BATCHNORM_H

#include "device/prim.h"
#include "dsc/op.h"

enum { IN_SCALE = 1, IN_BIAS, IN_MEAN, IN_VAR };

/** out[0], and the running statistics where they are wanted. Errors: of the primitives. */
enum dsc_status dsc_batchnorm_forward(struct dsc_exec *x, const struct dsc_node *n,
                                      const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                      struct dsc_err *err);
/** Adds to din; the statistics depend on x, too. */
enum dsc_status dsc_batchnorm_backward(struct dsc_exec *x, const struct dsc_node *n,
                                       const struct dsc_tensor *const *in,
                                       const struct dsc_tensor *dy, struct dsc_tensor **din,
                                       struct dsc_err *err);

#endif
