/* What operators along one axis share. */
#ifndef DSC_AXIS_H
#define DSC_AXIS_H

#include "device/prim.h"
#include "dsc/op.h"

/** Attribute `axis` in [0, rank); dsc_axis_check has seen it in inference. */
static inline int dsc_node_axis(const struct dsc_node *n, int64_t fallback, int rank)
{
    const int64_t axis = dsc_node_int(n, "axis", fallback);

    return (int)(axis < 0 ? axis + rank : axis);
}

/** A walk over a part of `whole` that begins at `first` along `axis`. */
static inline struct dsc_walk dsc_walk_from(const struct dsc_tensor *whole, int axis, int64_t first)
{
    struct dsc_walk w = {0};

    dsc_dense_strides(whole->rank, whole->dim, w.stride);
    w.offset = first * w.stride[axis];
    return w;
}

/** One value per channel (axis 1 of x), so that it broadcasts to x. */
static inline struct dsc_tensor dsc_channel_view(const struct dsc_tensor *x,
                                                 const struct dsc_tensor *p)
{
    struct dsc_tensor view = *p;

    view.rank = x->rank - 1;
    for (int i = 0; i < view.rank; i++)
        view.dim[i] = i == 0 ? p->dim[0] : 1;
    return view;
}

/** ArgMax and ArgMin. */
enum dsc_status dsc_infer_arg(struct dsc_infer *q, struct dsc_err *err);
int64_t dsc_arg_min_opset(const struct dsc_graph *g, const struct dsc_node *n);

#endif
