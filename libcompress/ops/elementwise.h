/*
 * Element-wise operators: what their files share. A record names its function in `fn`; forward and
 * backward are these.
 */
#ifndef DSC_ELEMENTWISE_H
#define DSC_ELEMENTWISE_H

#include "device/prim.h"
#include "dsc/op.h"

/* Parameter lists of forward and backward, for declarations only. */
#define DSC_FORWARD_PARAMS                                                            \
    struct dsc_exec *x, const struct dsc_node *n, const struct dsc_tensor *const *in, \
        struct dsc_tensor **out, struct dsc_err *err
#define DSC_BACKWARD_PARAMS                                                      \
    struct dsc_exec *x, const struct dsc_node *n, const struct dsc_saved *saved, \
        const struct dsc_tensor *const *dout, struct dsc_tensor **din, struct dsc_err *err

/** y = f(x), fn of maps.def, with attributes alpha and beta. */
enum dsc_status dsc_unary_forward(DSC_FORWARD_PARAMS);
enum dsc_status dsc_unary_backward(DSC_BACKWARD_PARAMS);

/** y = f(a, b), fn of binaries.def. */
enum dsc_status dsc_binary_forward(DSC_FORWARD_PARAMS);
enum dsc_status dsc_binary_backward(DSC_BACKWARD_PARAMS);

/** f(.. f(f(x0, x1), x2) ..), one input or more. The sum needs no inputs to go back. */
enum dsc_status dsc_variadic_forward(DSC_FORWARD_PARAMS);
enum dsc_status dsc_variadic_backward(DSC_BACKWARD_PARAMS);
enum dsc_status dsc_sum_backward(DSC_BACKWARD_PARAMS);
enum dsc_status dsc_mean_forward(DSC_FORWARD_PARAMS);
enum dsc_status dsc_mean_backward(DSC_BACKWARD_PARAMS);

/** A temporary scalar of a dtype, on the node's device. */
enum dsc_status dsc_scalar_temp(struct dsc_exec *x, enum dsc_dtype dtype, double v,
                                struct dsc_tensor **t, struct dsc_err *err);
/** A temporary of zeros. */
enum dsc_status dsc_zeros_temp(struct dsc_exec *x, enum dsc_dtype dtype, int rank,
                               const int64_t *dim, struct dsc_tensor **t, struct dsc_err *err);

#endif
